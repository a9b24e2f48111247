//! What clients may take: bodies, time and connections.

use super::*;

#[tokio::test]
async fn large_requests_should_be_refused() {
	let world = World::new(1_000).await;
	let reply =
		reqwest::Client::new().post(world.url("/")).body("x".repeat(1_001)).send().await.unwrap();
	assert_eq!(reply.status(), 413);
	// The length is believed before a byte of the body has arrived.
	let mut raw = Raw::new(world.address).await;
	raw.post("content-length: 1001\r\n").await;
	raw.expect("HTTP/1.1 413").await;
}

#[tokio::test]
async fn bodies_should_not_be_waited_for_without_a_good_voucher() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	let mut forged = sign(PRICE);
	forged.signature = sign(2 * PRICE).signature;
	for (headers, problem) in [
		(String::new(), "payment-required"),
		("authorization: Payment !!\r\n".into(), "malformed-credential"),
		(credential(&challenge, &forged), "invalid-signature"),
		(credential(&challenge, &sign(1)), "insufficient-balance"),
	] {
		for length in ["content-length: 900\r\n", "transfer-encoding: chunked\r\n"] {
			let mut raw = Raw::new(world.address).await;
			raw.post(&format!("{headers}{length}")).await;
			raw.expect("HTTP/1.1 402").await;
		}
		let mut raw = Raw::new(world.address).await;
		raw.post(&format!("{headers}content-length: 900\r\n")).await;
		raw.expect(problem).await;
		// The connection goes on once the body has passed by.
		raw.send(&"x".repeat(900)).await;
		raw.post("content-length: 0\r\n").await;
		raw.expect("payment-required").await;
	}
	assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_client_that_asks_first_should_not_send_its_body_in_vain() {
	let world = World::new(1_000).await;
	let mut raw = Raw::new(world.address).await;
	raw.post("content-length: 900\r\nexpect: 100-continue\r\n").await;
	let answer = raw.expect("payment-required").await;
	assert!(answer.starts_with("HTTP/1.1 402"), "{answer}");
	let challenge = world.challenge().await;
	let mut raw = Raw::new(world.address).await;
	let credential = credential(&challenge, &sign(PRICE));
	raw.post(&format!("{credential}content-length: 3\r\nexpect: 100-continue\r\n")).await;
	raw.expect("HTTP/1.1 100").await;
	raw.send("abc").await;
	raw.expect("POST / abc").await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_too_slow_should_cost_nothing() {
	let world = World::with(1_000, |c| c.body_timeout = Duration::from_millis(200)).await;
	let challenge = world.challenge().await;
	let headers = credential(&challenge, &sign(PRICE));
	let mut raw = Raw::new(world.address).await;
	raw.post(&format!("{headers}transfer-encoding: chunked\r\n")).await;
	// 0x3e9 is one byte more than what is taken.
	raw.send(&format!("3e9\r\n{}\r\n", "x".repeat(1_001))).await;
	raw.expect("HTTP/1.1 413").await;
	let mut raw = Raw::new(world.address).await;
	raw.post(&format!("{headers}content-length: 900\r\n")).await;
	raw.send("some of it").await;
	raw.expect("HTTP/1.1 408").await;
	assert_eq!((world.calls(), world.gateway.stats().earned), (0, 0));
	// The same voucher still buys a call.
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 200);
}

#[tokio::test]
async fn slow_heads_should_end_the_connection() {
	let world = World::with(1_000, |c| c.header_timeout = Duration::from_millis(200)).await;
	let (address, _stop, _) = serve(&world).await;
	let mut silent = Raw::new(address).await;
	let mut slow = Raw::new(address).await;
	slow.send("GET / HTTP/1.1\r\nhost").await;
	silent.ended().await;
	slow.ended().await;
	// One that has been answered may not idle longer either.
	let mut idle = Raw::new(address).await;
	idle.post("content-length: 0\r\n").await;
	idle.expect("payment-required").await;
	idle.ended().await;
}

#[tokio::test]
async fn connections_should_be_capped_and_the_next_one_wait() {
	let world = World::with(1_000, |c| c.max_connections = 2).await;
	let (address, _stop, _) = serve(&world).await;
	let mut first = Raw::new(address).await;
	first.post("content-length: 0\r\n").await;
	first.expect("payment-required").await;
	let mut second = Raw::new(address).await;
	second.post("content-length: 0\r\n").await;
	second.expect("payment-required").await;
	let mut third = Raw::new(address).await;
	third.post("content-length: 0\r\n").await;
	let waiting = tokio::time::timeout(Duration::from_millis(300), third.expect("402")).await;
	assert!(waiting.is_err());
	drop(first);
	third.expect("payment-required").await;
}

#[tokio::test]
async fn connections_of_one_address_should_be_capped() {
	let world = World::with(1_000, |c| c.max_connections_per_address = 1).await;
	let (address, _stop, _) = serve(&world).await;
	let mut first = Raw::new(address).await;
	first.post("content-length: 0\r\n").await;
	first.expect("payment-required").await;
	// Sooner than what is idle is closed.
	Raw::new(address).await.ended().await;
	// The first one is left alone.
	first.post("content-length: 0\r\n").await;
	first.expect("payment-required").await;
	drop(first);
	// The gateway takes a moment to see that it has gone.
	let client = reqwest::Client::new();
	let since = std::time::Instant::now();
	let answer = loop {
		match client.get(format!("http://{address}/")).send().await {
			Ok(answer) => break answer,
			Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
		}
		tokio::time::sleep(Duration::from_millis(10)).await;
	};
	assert_eq!(answer.status(), 402);
}

#[tokio::test]
async fn shutting_down_should_not_wait_for_ever() {
	let world = World::with(1_000, |c| {
		c.drain_timeout = Duration::from_millis(300);
		c.upstream_timeout = Duration::from_secs(60);
	})
	.await;
	let (address, stop, serving) = serve(&world).await;
	let challenge = world.challenge().await;
	let mut silent = Raw::new(address).await;
	let mut idle = Raw::new(address).await;
	idle.post("content-length: 0\r\n").await;
	idle.expect("payment-required").await;
	let mut under_way = Raw::new(address).await;
	let credential = credential(&challenge, &sign(PRICE));
	under_way.send(&format!("GET /sleep HTTP/1.1\r\nhost: h\r\n{credential}\r\n")).await;
	while world.calls() == 0 {
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
	let since = std::time::Instant::now();
	drop(stop);
	// Whoever has nothing under way is let go at once.
	idle.ended().await;
	assert!(since.elapsed() < Duration::from_millis(250), "{:?}", since.elapsed());
	serving.await.unwrap().unwrap();
	assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
	silent.ended().await;
	under_way.ended().await;
}

#[tokio::test]
async fn shutting_down_should_let_calls_end() {
	let world = World::new(1_000).await;
	world.service.slow.store(true, Ordering::SeqCst);
	let (address, stop, serving) = serve(&world).await;
	let challenge = world.challenge().await;
	let mut under_way = Raw::new(address).await;
	let credential = credential(&challenge, &sign(PRICE));
	under_way.send(&format!("GET /x HTTP/1.1\r\nhost: h\r\n{credential}\r\n")).await;
	while world.calls() == 0 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	drop(stop);
	under_way.expect("call 0").await;
	serving.await.unwrap().unwrap();
	assert_eq!(world.chain.state().batches.len(), 1);
}
