//! What is known of payments, who is told, and what a lost store costs.

use super::*;

#[tokio::test]
async fn a_payer_that_lost_its_records_should_recover_by_its_own_signature() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.present(&challenge, &sign(40)).await;
	let client = world.client().await;
	let reply = client.get(&world.url("/")).await.unwrap();
	assert_eq!((reply.status, reply.paid), (200, PRICE));
	assert_eq!(client.payer().channels()[0].signed, 50);
	let (status, text) = world.state(&CHANNEL, Some(&prove(now()))).await;
	let json: serde_json::Value = serde_json::from_str(&text).unwrap();
	assert_eq!(status, 200);
	let lane = &json["lanes"][0];
	assert_eq!((&lane["acceptedCumulative"], &lane["earned"]), (&"50".into(), &"20".into()));
}

#[tokio::test]
async fn a_payer_that_has_lost_its_store_should_be_told_what_it_has_signed() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.present(&challenge, &sign(30)).await;
	let payer =
		Payer::new(Arc::new(MemoryStore::default()), GENESIS, Policy::per_call(100)).unwrap();
	let account = channel(1_000).payer;
	let recover = |addresses: HashMap<AccountId, String>| {
		let payees = HttpPayees::new(addresses, Duration::from_secs(10)).unwrap();
		let (payer, chain, account) = (payer.clone(), world.chain.clone(), account.clone());
		async move {
			let key = voucher_key();
			let found = payer.recover(&account, &key, chain.as_ref(), &payees, now());
			found.await.unwrap().remove(0)
		}
	};
	let unknown = recover(HashMap::new()).await;
	assert_eq!((unknown.proven, unknown.problem.is_some()), (0, true));
	let known = recover([(payee_key().account(), world.url(""))].into()).await;
	assert_eq!((known.proven, known.problem), (1, None));
	assert_eq!(payer.channels()[0].signed, 30);
	let next = *payer.pay(&CHANNEL, 0, PRICE).await.unwrap().voucher().unwrap();
	assert_eq!(world.present(&challenge, &next).await.status, 200);
}

#[tokio::test]
async fn a_fresh_gateway_should_tell_a_payer_that_nothing_was_accepted() {
	let world = World::new(1_000).await;
	let (status, text) = world.state(&CHANNEL, Some(&prove(now()))).await;
	assert_eq!(status, 404, "{text}");
}

#[tokio::test]
async fn strangers_should_learn_nothing_of_what_was_paid() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.present(&challenge, &sign(40)).await;
	let domain = Domain::channels(GENESIS);
	let other = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap();
	let channel = [1; 32];
	let elsewhere = Domain::channels(H256::zero());
	let proofs = [
		None,
		Some(prove(now() - PROOF_WINDOW - 5)),
		Some(prove(now() + PROOF_WINDOW + 5)),
		Some(ChannelProof { time: now(), ..prove(now() - 1_000) }),
		Some(ChannelProof::sign(CHANNEL, now(), &other, &domain)),
		Some(ChannelProof::sign(channel, now(), &voucher_key(), &domain)),
		Some(ChannelProof::sign(CHANNEL, now(), &voucher_key(), &elsewhere)),
	];
	// A voucher with a good signature proves nothing: it is public once it is settled.
	for proof in &proofs {
		let low = world.send("/", &challenge, &sign(39), proof.as_ref()).await;
		assert_eq!(low.status, 402);
		let problem = low.problem();
		assert!(problem.is(ProblemType::InsufficientVoucher));
		assert_eq!((&problem.last_voucher, &problem.accepted_cumulative), (&None, &None));
		assert_eq!((&problem.required_cumulative, &problem.shortfall), (&None, &None));
		// Nor does it matter whether there is anything to tell.
		for id in [CHANNEL, channel] {
			let (status, text) = world.state(&id, proof.as_ref()).await;
			assert_eq!(status, 403, "{text}");
			let problem: Problem = serde_json::from_str(&text).unwrap();
			assert!(problem.is(ProblemType::ProofRequired));
		}
	}
	// Amounts cannot be found out by trying either.
	for cumulative in [1, 40, 49, 50, 1_001] {
		let mut forged = sign(cumulative);
		forged.signature = other.sign_voucher(forged.voucher, &domain).signature;
		let reply = world.present(&challenge, &forged).await;
		assert!(reply.problem().is(ProblemType::InvalidSignature), "{cumulative}");
	}
	assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_seller_with_a_new_store_should_not_lock_its_buyers_out() {
	let before = World::new(1_000).await;
	let payer = before.payer().await;
	// The answer to this call is lost.
	let lost = *payer.pay(&CHANNEL, 0, PRICE).await.unwrap().voucher().unwrap();
	assert_eq!(before.present(&before.challenge().await, &lost).await.status, 200);
	before.gateway.settle_now().await.unwrap();
	let info = before.chain.state().finalized[&CHANNEL].clone();
	assert_eq!(info.settled, PRICE);

	// The seller has lost its store: it cannot show the voucher that it has settled.
	let after = World::new(1_000).await;
	after.chain.put(info.clone());
	let policy = HttpPolicy::new(100);
	let client = PaidClient::new(payer.clone(), after.chain.clone(), policy).unwrap();
	let locked_out = client.get(&after.url("/")).await;
	assert!(matches!(locked_out, Err(HttpError::Refused(_))), "{locked_out:?}");
	payer.add_channel(&info, voucher_key()).await.unwrap();
	assert_eq!(client.get(&after.url("/")).await.unwrap().paid, PRICE);
	assert_eq!(payer.channels()[0].signed, 2 * PRICE);
}

#[tokio::test]
async fn a_chain_that_began_anew_should_stop_buyers_and_sellers_with_old_stores() {
	let world = World::new(1_000).await;
	let store = Arc::new(MemoryStore::default());
	let connect = || async {
		let payer = Payer::new(store.clone(), GENESIS, Policy::per_call(100)).unwrap();
		payer.add_channel(&channel(1_000), voucher_key()).await.unwrap();
		PaidClient::new(payer, world.chain.clone(), HttpPolicy::new(100)).unwrap()
	};
	let client = connect().await;
	assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	drop(client);
	assert_eq!(world.calls(), 1);

	world.chain.state().hash = H256::repeat_byte(1);
	let client = connect().await;
	let outcome = client.get(&world.url("/")).await;
	assert!(
		matches!(&outcome, Err(HttpError::Pay(PayError::Store(StoreError::ChainAnew(_))))),
		"{outcome:?}"
	);
	assert_eq!((world.calls(), client.payer().channels()[0].signed), (1, PRICE));
	let config = GatewayConfig::new("http://h", PRICE, ASSET, payee_key(), "unused");
	let restarted = Gateway::with_store(config, world.store.clone(), world.chain.clone()).await;
	assert!(matches!(
		restarted.err(),
		Some(GatewayError::Payee(PayeeError::Store(StoreError::ChainAnew(_))))
	));
}
