//! Closes and openings that payer and payee agree to over HTTP.

use super::*;
use crate::OpeningPolicy;
use stoa_client::{
	agreement::{Disagreement, OpenTerms, SignedOpen},
	http::{address_of, ask_consent, ask_open, terms_of, Opener},
	payment::{ConsentPayload, OpenPayload, OpenStatus},
};

const PATIENCE: Duration = Duration::from_secs(10);

fn payer_key() -> AccountKey {
	AccountKey::from_uri("//Payer", Scheme::Sr25519).unwrap()
}

fn terms(deposit: Balance) -> OpenTerms {
	OpenTerms {
		payee: payee_key().account(),
		asset: ASSET,
		deposit,
		key: voucher_key().key(),
		grace: DEFAULT_GRACE,
		nonce: 0,
		expires: 200,
	}
}

fn authorize(terms: OpenTerms) -> SignedOpen {
	SignedOpen::sign(terms, &payer_key(), &Domain::channels(GENESIS))
}

/// A gateway that opens channels from 100 units on, as often as is said.
async fn opening(per_hour: u32) -> World {
	let policy = OpeningPolicy { per_hour, ..OpeningPolicy::new(100) };
	let world = World::with(1_000, |config| config.openings = Some(policy)).await;
	world.chain.state().credits = 10_000;
	world
}

impl World {
	async fn post(&self, path: &str, body: impl Into<String>) -> Reply {
		let request = reqwest::Client::new().post(self.url(path)).body(body.into());
		let reply = request.send().await.unwrap();
		let status = reply.status().as_u16();
		Reply { status, receipt: None, challenged: false, body: reply.text().await.unwrap() }
	}

	async fn open(&self, signed: &SignedOpen) -> Reply {
		let body = serde_json::to_string(&OpenPayload::new(signed, GENESIS)).unwrap();
		self.post("/.well-known/stoa/channel", body).await
	}

	async fn close(&self, proof: Option<&ChannelProof>) -> Reply {
		let url = self.url(&format!("/.well-known/stoa/channel/0x{}/close", hex(&CHANNEL)));
		let mut request = reqwest::Client::new().post(url);
		if let Some(proof) = proof {
			request = request.header(PROOF_HEADER, proof.to_header());
		}
		let reply = request.send().await.unwrap();
		let status = reply.status().as_u16();
		Reply { status, receipt: None, challenged: false, body: reply.text().await.unwrap() }
	}
}

#[tokio::test]
async fn a_payer_should_get_the_payees_agreement_to_a_close() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	for _ in 0..3 {
		client.get(&world.url("/")).await.unwrap();
	}
	let chain = world.chain.clone();
	let address = address_of(&world.url("/some/path?x")).unwrap();
	let ask = || ask_consent(client.payer(), chain.as_ref(), &address, &CHANNEL, PATIENCE);
	let signed = ask().await.unwrap();
	assert_eq!((signed.consent.channel, signed.consent.total), (CHANNEL, 3 * PRICE));
	assert_eq!(signed.consent.expires, 100 + 150);
	// Nothing is sold on the channel until it has expired.
	let refused = client.get(&world.url("/")).await;
	assert!(
		matches!(&refused, Err(HttpError::Refused(problem)) if problem.is(ProblemType::ChannelUnusable)),
		"{refused:?}"
	);
	// It can be had again, and settling goes on.
	assert_eq!(ask().await.unwrap().consent.total, 3 * PRICE);
	assert_eq!(world.gateway.settle_now().await.unwrap().claimed, 3 * PRICE);
	assert_eq!(world.gateway.stats().consents, 2);
}

#[tokio::test]
async fn nobody_but_the_payer_should_get_an_agreement() {
	let world = World::new(1_000).await;
	let other = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap();
	let domain = Domain::channels(GENESIS);
	for proof in [
		None,
		Some(prove(now() - PROOF_WINDOW - 5)),
		Some(ChannelProof::sign(CHANNEL, now(), &other, &domain)),
		Some(ChannelProof::sign([1; 32], now(), &voucher_key(), &domain)),
	] {
		let reply = world.close(proof.as_ref()).await;
		assert_eq!(reply.status, 403, "{}", reply.body);
		assert!(reply.problem().is(ProblemType::ProofRequired));
	}
	// Nothing has become of it: the channel can be used.
	assert_eq!(world.client().await.get(&world.url("/")).await.unwrap().paid, PRICE);
}

#[tokio::test]
async fn an_agreement_should_wait_for_the_calls_under_way() {
	let world = Arc::new(World::new(1_000).await);
	world.service.slow.store(true, Ordering::SeqCst);
	let challenge = world.challenge().await;
	let call = {
		let world = world.clone();
		tokio::spawn(async move { world.present(&challenge, &sign(PRICE)).await })
	};
	while world.calls() == 0 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	let busy = world.close(Some(&prove(now()))).await;
	assert_eq!(busy.status, 409, "{}", busy.body);
	assert!(busy.problem().is(ProblemType::LaneBusy));
	assert_eq!(call.await.unwrap().status, 200);
	let agreed = world.close(Some(&prove(now()))).await;
	assert_eq!(agreed.status, 200);
	let payload: ConsentPayload = serde_json::from_str(&agreed.body).unwrap();
	assert_eq!(payload.total, PRICE.to_string());
}

#[tokio::test]
async fn a_payer_should_not_take_an_agreement_to_more_than_it_has_paid() {
	let world = World::new(1_000).await;
	// The payee has 40 of this payer, whose records say nothing.
	let challenge = world.challenge().await;
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 200);
	let policy = Policy { max_unanswered: 0, ..Policy::per_call(100) };
	let payer = Payer::new(Arc::new(MemoryStore::default()), GENESIS, policy).unwrap();
	payer.add_channel(&channel(1_000), voucher_key()).await.unwrap();
	let asked = ask_consent(&payer, world.chain.as_ref(), &world.url, &CHANNEL, PATIENCE).await;
	assert!(
		matches!(
			&asked,
			Err(HttpError::Disagreement(Disagreement::TooMuch { total: PRICE, limit: 0 }))
		),
		"{asked:?}"
	);
}

#[tokio::test]
async fn a_channel_should_be_opened_by_the_payers_signature_once() {
	let world = opening(60).await;
	let terms_told = terms_of(&world.url, PATIENCE).await.unwrap();
	assert_eq!((terms_told.open_minimum, terms_told.tick_value), (Some(100), Some(PRICE)));
	assert_eq!(world.challenge().await.terms().unwrap(), terms_told);
	let signed = authorize(terms(500));
	let info = ask_open(world.chain.as_ref(), &world.url, &signed, PATIENCE).await.unwrap();
	assert_eq!((info.id, info.deposit), (signed.channel(&Domain::channels(GENESIS)), 500));
	assert_eq!((&info.payer, info.key), (&payer_key().account(), voucher_key().key()));
	// The same again opens nothing.
	let again = world.open(&signed).await;
	assert_eq!(again.status, 200);
	let status: OpenStatus = serde_json::from_str(&again.body).unwrap();
	assert!(status.opened);
	assert_eq!(world.chain.state().openings.len(), 1);
	assert_eq!(world.gateway.stats().opened, 1);
}

#[tokio::test]
async fn clients_that_ask_together_should_be_answered_by_one_transaction() {
	let world = Arc::new(opening(60).await);
	world.chain.state().opening_time = Duration::from_millis(200);
	let signed = authorize(terms(500));
	let calls: Vec<_> = (0..5)
		.map(|_| {
			let (world, signed) = (world.clone(), signed.clone());
			tokio::spawn(async move { world.open(&signed).await.status })
		})
		.collect();
	for call in calls {
		assert_eq!(call.await.unwrap(), 201);
	}
	assert_eq!(world.chain.state().openings.len(), 1);
}

#[tokio::test]
async fn a_client_should_be_told_to_look_when_an_opening_takes_long() {
	let wait = Duration::from_millis(50);
	let policy = OpeningPolicy { wait, ..OpeningPolicy::new(100) };
	let world = World::with(1_000, |config| config.openings = Some(policy)).await;
	world.chain.state().credits = 10_000;
	world.chain.state().opening_time = Duration::from_millis(300);
	let signed = authorize(terms(500));
	let later = world.open(&signed).await;
	assert_eq!(later.status, 202, "{}", later.body);
	assert!(!serde_json::from_str::<OpenStatus>(&later.body).unwrap().opened);
	// The library looks by itself.
	let info = ask_open(world.chain.as_ref(), &world.url, &signed, PATIENCE).await.unwrap();
	assert_eq!(info.deposit, 500);
	assert_eq!(world.chain.state().openings.len(), 1);
}

#[tokio::test]
async fn nothing_should_be_sent_for_an_authorisation_that_is_not_good() {
	let world = opening(60).await;
	let other = AccountKey::from_uri("//Other", Scheme::Sr25519).unwrap();
	let mut raised = authorize(terms(500));
	raised.auth.amount = 600;
	let stolen = SignedOpen { payer: other.account(), ..authorize(terms(500)) };
	for (what, signed) in [
		("too little", authorize(terms(99))),
		("not the next nonce", authorize(OpenTerms { nonce: 1, ..terms(500) })),
		("expired", authorize(OpenTerms { expires: 100, ..terms(500) })),
		("a short grace period", authorize(OpenTerms { grace: 10, ..terms(500) })),
		("more than the payer has", authorize(terms(10_001))),
		("changed", raised),
		("of somebody else", stolen),
		("for somebody else", authorize(OpenTerms { payee: other.account(), ..terms(500) })),
	] {
		let reply = world.open(&signed).await;
		assert_eq!(reply.status, 422, "{what}: {}", reply.body);
		assert!(reply.problem().is(ProblemType::AuthorizationRefused), "{what}");
	}
	let low = world.open(&authorize(terms(99))).await.problem();
	assert_eq!((low.shortfall.as_deref(), low.deposit.as_deref()), (Some("1"), Some("99")));
	for body in ["", "{}", "[]", "{\"payer\":1}"] {
		let reply = world.post("/.well-known/stoa/channel", body).await;
		assert_eq!(reply.status, 400, "{body}: {}", reply.body);
	}
	let large = world.post("/.well-known/stoa/channel", "x".repeat(5_000)).await;
	assert_eq!(large.status, 413);
	assert!(world.chain.state().openings.is_empty());
}

#[tokio::test]
async fn strangers_should_not_make_the_payee_pay_more_than_it_allows() {
	let world = opening(2).await;
	world.chain.state().refuse_openings = true;
	for nonce in 0..2 {
		world.chain.state().nonce = nonce;
		let refused = world.open(&authorize(OpenTerms { nonce, ..terms(500) })).await;
		assert_eq!(refused.status, 422, "{}", refused.body);
	}
	world.chain.state().nonce = 2;
	let enough = world.open(&authorize(OpenTerms { nonce: 2, ..terms(500) })).await;
	assert_eq!(enough.status, 429, "{}", enough.body);
	assert!(enough.problem().is(ProblemType::TooManyOpenings));
	assert_eq!(world.chain.state().openings.len(), 2);
	assert_eq!(world.gateway.stats().openings_failed, 2);
}

#[tokio::test]
async fn a_payee_that_opens_no_channels_should_say_so() {
	let world = World::new(1_000).await;
	assert_eq!(terms_of(&world.url, PATIENCE).await.unwrap().open_minimum, None);
	let reply = world.open(&authorize(terms(500))).await;
	assert_eq!(reply.status, 404, "{}", reply.body);
	assert!(reply.problem().is(ProblemType::NotOffered));
}

#[tokio::test]
async fn a_client_should_have_its_channel_opened_with_its_first_call() {
	let world = opening(60).await;
	world.chain.state().finalized.clear();
	let payer =
		Payer::new(Arc::new(MemoryStore::default()), GENESIS, Policy::per_call(100)).unwrap();
	let opener = Opener::new(payer_key(), voucher_key(), 3 * PRICE, world.chain.clone());
	let with = |opener: Opener| {
		let (chain, policy) = (world.chain.clone(), HttpPolicy::new(100));
		PaidClient::with_funding(payer.clone(), chain, policy, None, Some(opener)).unwrap()
	};
	// Less than the payee wants: as if there were no opener.
	let missing = with(opener.clone()).get(&world.url("/")).await;
	assert!(matches!(missing, Err(HttpError::ChannelMissing { .. })), "{missing:?}");
	let client = with(Opener { deposit: 100, budget: 150, ..opener });
	let calls = (0..4).map(|_| {
		let (client, url) = (client.clone(), world.url("/"));
		tokio::spawn(async move { client.get(&url).await.unwrap().paid })
	});
	for call in calls.collect::<Vec<_>>() {
		assert_eq!(call.await.unwrap(), PRICE);
	}
	assert_eq!(world.chain.state().openings.len(), 1, "four calls at once need one channel");
	assert_eq!(world.chain.state().finalized.len(), 1);
	// Another one would be above the budget.
	let id = client.payer().channels()[0].id;
	client.payer().observe(&id, None);
	let spent = client.get(&world.url("/")).await;
	assert!(matches!(spent, Err(HttpError::OpeningBudget { deposit: 100, left: 50 })), "{spent:?}");
}
