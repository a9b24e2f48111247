//! Requests to the gateway and to a watchtower, as their HTTP servers hand them on.
//!
//! | byte | says |
//! |---|---|
//! | 0 | to whom, and what the rest is |
//! | 1, 2 | method and path |
//! | then | a header, or a payment for the gateway's own challenge; the rest is the body |

use crate::{
	bytes::{block, Source},
	chain::{self, StillChain},
	items, sample,
};
use axum::{
	body::Body,
	http::{header, HeaderName, HeaderValue, Method, Request, StatusCode},
	response::Response,
	Router,
};
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::{cell::RefCell, sync::Arc};
use stoa_client::{
	payment::{
		parse_challenges, Challenge, ChannelProof, ChannelStatus, Credential, Problem,
		PROOF_HEADER, RECEIPT_HEADER,
	},
	store::MemoryStore,
};
use stoa_gateway::{Gateway, GatewayConfig};
use stoa_tower::{
	chain::TowerChain,
	service::{http::router, Pushed},
	Config, Door, Tower,
};

/// What one call costs.
const PRICE: u128 = 1_000;

/// A gateway and a tower that live as long as the thread: what they accept stays with them, as on a
/// real server. Nothing answers behind the gateway, so it never charges.
struct World {
	runtime: tokio::runtime::Runtime,
	gateway: Router,
	tower: Router,
	challenge: Challenge,
}

impl World {
	fn new() -> Self {
		let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
		let runtime = runtime.expect("a runtime starts");
		let gateway = runtime.block_on(async {
			let seller = sample::people()[0].clone();
			// Nobody listens there.
			let upstream = "http://127.0.0.1:1/base";
			let mut config = GatewayConfig::new(upstream, PRICE, chain::ASSET, seller, "");
			config.challenge_ttl = std::time::Duration::from_secs(u32::MAX.into());
			let store = Arc::new(MemoryStore::default());
			Gateway::with_store(config, store, StillChain::shared()).await
		});
		let gateway = gateway.expect("a gateway starts").router();
		let still: Arc<dyn TowerChain> = StillChain::shared();
		let tower = Tower::new(Config::new([1; 32]), still, None, []);
		let tower = router(tower, Arc::new(Door::default()));
		let first = Request::get("/").body(Body::empty()).expect("a good request");
		let (status, headers, _) = runtime.block_on(ask(&gateway, first));
		assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
		let challenge = offered(&headers).expect("it says what it wants");
		Self { runtime, gateway, tower, challenge }
	}
}

thread_local! {
	static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

type Answer = (StatusCode, axum::http::HeaderMap, Vec<u8>);

async fn ask(router: &Router, request: Request<Body>) -> Answer {
	let service = TowerToHyperService::new(router.clone());
	let response: Response = match service.call(request).await {
		Ok(response) => response,
		Err(never) => match never {},
	};
	let (parts, body) = response.into_parts();
	let body = axum::body::to_bytes(body, 1024 * 1024).await.expect("answers are short");
	(parts.status, parts.headers, body.to_vec())
}

fn offered(headers: &axum::http::HeaderMap) -> Option<Challenge> {
	let value = headers.get(header::WWW_AUTHENTICATE)?.to_str().ok()?;
	let [challenge] = &*parse_challenges(value).ok()? else { return None };
	Some(challenge.clone())
}

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let mut source = Source::new(bytes);
	let form = source.byte() % 6;
	WORLD.with_borrow_mut(|world| {
		let world = world.get_or_insert_with(World::new);
		let Some(request) = request(form, &mut source, &world.challenge) else { return };
		if form == 5 {
			check_tower(&world.runtime.block_on(ask(&world.tower, request)));
		} else {
			check_gateway(&world.runtime.block_on(ask(&world.gateway, request)));
		}
	});
}

fn request(form: u8, source: &mut Source, challenge: &Challenge) -> Option<Request<Body>> {
	let method = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::CONNECT]
		[usize::from(source.byte()) % 5]
		.clone();
	let path = source.byte();
	let path = match (form, path) {
		(5, 0..=199) => "/v1/statements".into(),
		(5, 200..=220) => "/v1/status".into(),
		(_, 0..=49) => "/".into(),
		(_, 50..=149) => {
			let digits: String = chain::id(path - 50).iter().map(|b| format!("{b:02x}")).collect();
			format!("/.well-known/stoa/channel/0x{digits}")
		},
		(_, 150..=159) => "/.well-known/stoa".into(),
		_ => format!("/{}", std::str::from_utf8(source.block()).ok()?),
	};
	let mut request = Request::builder().method(method).uri(path);
	if let Some((name, value)) = paid(form, source, challenge) {
		request = request.header(name, HeaderValue::from_bytes(&value).ok()?);
	}
	request.body(source.rest().to_vec().into()).ok()
}

/// A header of a request, by its form: anything; a credential; one whose payload is anything; one that
/// pays; a proof.
fn paid(form: u8, source: &mut Source, challenge: &Challenge) -> Option<(HeaderName, Vec<u8>)> {
	let wrapped = |json: Vec<u8>| format!("Payment {}", URL_SAFE_NO_PAD.encode(json)).into_bytes();
	Some(match form {
		0 => (header::AUTHORIZATION, source.block().to_vec()),
		1 => (header::AUTHORIZATION, wrapped(source.block().to_vec())),
		2 => {
			let challenge = serde_json::to_string(challenge).ok()?;
			let payload = source.block();
			let parts = [b"{\"challenge\":", challenge.as_bytes(), b",\"payload\":", payload, b"}"];
			(header::AUTHORIZATION, wrapped(parts.concat()))
		},
		3 => {
			let item = sample::item(source, &sample::domain(), chain::facts);
			let proof = crate::http::allowance(&item);
			let credential = Credential::new(challenge.clone(), proof).to_header();
			(header::AUTHORIZATION, credential.into_bytes())
		},
		4 => {
			let proof = match source.byte() {
				n @ 0..=99 => {
					let key = sample::key(source.byte());
					ChannelProof::sign(chain::id(n), now(), key, &sample::domain()).to_header()
				},
				_ => URL_SAFE_NO_PAD.encode(source.block()),
			};
			(HeaderName::from_static(PROOF_HEADER), proof.into_bytes())
		},
		_ => return None,
	})
}

/// Proofs are good around the time at which they are made.
fn now() -> u64 {
	let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
	since.map_or(0, |since| since.as_secs())
}

/// Whatever is asked: nothing is sold, nobody is told what is not theirs, and refusals can be read.
fn check_gateway((status, headers, body): &Answer) {
	assert!(headers.get(RECEIPT_HEADER).is_none(), "a receipt for nothing");
	assert!(!status.is_redirection());
	if *status == StatusCode::OK {
		assert!(serde_json::from_slice::<ChannelStatus>(body).is_err(), "a stranger is told");
		return;
	}
	let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
	if kind != Some(b"application/problem+json") {
		// The router's own: no such method, or an address that is no text.
		assert!(status.is_client_error(), "{status}");
		return;
	}
	let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
		assert!(body.is_empty(), "a problem cannot be read");
		return;
	};
	assert_eq!(problem.status, status.as_u16());
	assert_eq!(*status == StatusCode::PAYMENT_REQUIRED, offered(headers).is_some());
	assert!(problem.last().is_ok_and(|last| last.is_none()), "a stranger is told");
	ADMITTED
		.with_borrow_mut(|admitted| *admitted += usize::from(*status == StatusCode::BAD_GATEWAY));
}

thread_local! {
	/// How many calls were good enough to be sent on: inputs must get as far as that.
	static ADMITTED: RefCell<usize> = const { RefCell::new(0) };
}

fn check_tower((status, _, body): &Answer) {
	assert!(!status.is_server_error(), "{status}");
	if *status == StatusCode::OK && !body.is_empty() {
		let read = serde_json::from_slice::<Pushed>(body).is_ok()
			|| serde_json::from_slice::<serde_json::Value>(body).is_ok();
		assert!(read, "an answer cannot be read");
	}
}

/// Requests of each form.
pub fn seeds() -> Vec<Vec<u8>> {
	let mut out = vec![vec![0, 0, 0], vec![0, 0, 150], vec![0, 0, 50], vec![5, 0, 200]];
	let json = |value: &serde_json::Value| value.to_string().into_bytes();
	for item in items::samples() {
		let credential = Credential::new(
			Challenge::issue(&[1; 32], "stoa", &crate::http::terms(), 1_700_000_000, &[7; 16]),
			crate::http::allowance(&item),
		);
		let credential = serde_json::to_value(&credential).unwrap_or_default();
		out.push([vec![1, 0, 0], block(&json(&credential))].concat());
		out.push([vec![2, 1, 0], block(&json(&credential["payload"])), b"body".to_vec()].concat());
	}
	for n in 0..chain::CHANNELS {
		out.push([vec![3, 0, 0], vec![n, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat());
		out.push([vec![3, 1, 0], vec![n, 1, 30, 0, 0, 150, 3, 0, 0, 0], b"body".to_vec()].concat());
	}
	let proof = serde_json::json!({
		"channelId": "0x01", "signature": "0x00", "time": 1_700_000_000u64,
	});
	out.push([vec![4, 0, 50, 255], block(&json(&proof))].concat());
	out.extend((0..chain::CHANNELS).map(|n| vec![4, 0, 50 + n, n, n]));
	let statements = crate::statement::seeds().into_iter().filter(|seed| seed.first() == Some(&0));
	out.extend(statements.map(|seed| [&[5, 1, 0], &seed[1..]].concat()));
	out.push([&[0, 0, 255][..], &block(b"a/../b?c=d"), &block(b"Basic abc")].concat());
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn seeds_should_get_past_the_door() {
		ADMITTED.set(0);
		for seed in seeds() {
			run(&seed);
		}
		assert!(ADMITTED.take() >= 2);
	}
}
