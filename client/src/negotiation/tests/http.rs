//! Two agents over HTTP: one has an address, the other calls it.

use super::*;
use std::{collections::HashMap, time::Duration};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpListener,
};

/// Answers requests one after the other with what `serve` makes of their bodies, as a server would that mounts it.
pub async fn server<F, T>(mut serve: T) -> String
where
	T: FnMut(Vec<u8>) -> F + Send + 'static,
	F: std::future::Future<Output = Vec<u8>> + Send,
{
	let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = format!("http://{}", listener.local_addr().unwrap());
	tokio::spawn(async move {
		loop {
			let (mut stream, _) = listener.accept().await.unwrap();
			let mut bytes = Vec::new();
			let body = loop {
				let mut chunk = [0; 4_096];
				let count = stream.read(&mut chunk).await.unwrap();
				bytes.extend_from_slice(&chunk[..count]);
				let text = String::from_utf8_lossy(&bytes);
				let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
				assert!(head.starts_with("POST /.well-known/stoa/negotiation HTTP/1.1"));
				let length = head
					.lines()
					.find_map(|line| {
						line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()
					})
					.unwrap_or(0usize);
				if body.len() >= length {
					break body.as_bytes().to_vec();
				}
			};
			let answer = serve(body).await;
			let head = format!(
				"HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
				answer.len()
			);
			stream.write_all(&[head.as_bytes(), &answer].concat()).await.unwrap();
		}
	});
	address
}

fn says(actions: Vec<Action>) -> Vec<Signed> {
	let said = |action| match action {
		Action::Send(signed) => Some(*signed),
		_ => None,
	};
	actions.into_iter().filter_map(said).collect()
}

#[tokio::test]
async fn an_agent_without_an_address_should_negotiate_with_one_that_has_one() {
	let shared = Arc::new(std::sync::Mutex::new(negotiator(seller())));
	let of_server = shared.clone();
	let address = server(move |body| {
		let seller = of_server.clone();
		async move {
			respond(&body, |bytes| async move {
				seller.lock().unwrap().handle(Input::Message(bytes)).map(says)
			})
			.await
		}
	})
	.await;
	let addresses = HashMap::from([(account(Side::Seller), address)]);
	let transport = HttpTransport::new(addresses, Duration::from_secs(10)).unwrap();
	let mut buyer = negotiator(buyer());
	let mut actions = buyer.open().unwrap();
	let agreed = loop {
		if let Some(Action::Commit { offer, .. }) =
			actions.iter().find(|action| matches!(action, Action::Commit { .. }))
		{
			break offer.total().unwrap();
		}
		for message in says(actions.clone()) {
			transport.send(message).await.unwrap();
		}
		if let Turn::Accepted { by: Side::Seller } = buyer.transcript().state().turn() {
			break buyer.transcript().state().standing().unwrap().offer.total().unwrap();
		}
		actions = buyer.handle(Input::Message(transport.receive().await.unwrap())).unwrap();
	};
	assert!((1_400..=1_500).contains(&agreed), "{agreed}");
	for message in says(actions) {
		transport.send(message).await.unwrap();
	}
	assert_eq!(buyer.transcript(), shared.lock().unwrap().transcript());
	// What is rejected says why.
	let foreign = {
		let mut config = super::buyer();
		config.negotiation = [9; 32];
		sent(&negotiator(config).open().unwrap())
	};
	let error = transport.send(foreign).await.unwrap_err().to_string();
	assert!(error.contains("of another negotiation"), "{error}");
	let stranger = sent(&shared_stranger().open().unwrap());
	assert!(matches!(transport.send(stranger).await, Err(TransportError::Unknown(_))));
}

fn shared_stranger() -> Negotiator {
	let peer = AccountId::new([9; 32]);
	negotiator(Config { peer, ..buyer() })
}

#[tokio::test]
async fn what_is_too_long_should_not_be_looked_at() {
	let answer = respond(&vec![b' '; MAX_MESSAGE_LEN + 1], |_| async {
		panic!("it is not taken");
		#[allow(unreachable_code)]
		Ok::<_, String>(Vec::new())
	})
	.await;
	let text = String::from_utf8(answer).unwrap();
	assert!(text.starts_with(r#"{"messages":[],"rejected":"a message has at most"#), "{text}");
	let taken = respond(b"x", |bytes| async move {
		assert_eq!(bytes, b"x");
		Ok::<_, String>(Vec::new())
	})
	.await;
	assert_eq!(taken, br#"{"messages":[]}"#);
}
