//! The operator's door: figures and commands.

use super::*;
use stoa_client::voucher::LaneKey;

/// Where the operator of a gateway comes in.
async fn door(world: &World) -> String {
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = listener.local_addr().unwrap();
	let gateway = world.gateway.clone();
	tokio::spawn(async move {
		gateway.serve_operator(listener, std::future::pending()).await.unwrap();
	});
	format!("http://{address}")
}

async fn command(url: &str) -> (u16, serde_json::Value) {
	let request = reqwest::Client::new().post(url).header("stoa-operator", "1");
	let reply = request.send().await.unwrap();
	let status = reply.status().as_u16();
	(status, serde_json::from_str(&reply.text().await.unwrap()).unwrap())
}

fn close_url(door: &str, id: &ChannelId) -> String {
	format!("{door}/channel/0x{}/close", hex(id))
}

#[tokio::test]
async fn metrics_should_be_readable() {
	let world = World::new(1_000).await;
	world.client().await.get(&world.url("/")).await.unwrap();
	let url = format!("{}/metrics", door(&world).await);
	let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
	for line in [
		"stoa_gateway_calls_total{outcome=\"accepted\"} 1\n",
		"stoa_gateway_unsettled_units 10\n",
		"stoa_gateway_lost_units_total 0\n",
		"stoa_gateway_flush_seconds_count 1\n",
		"stoa_gateway_flush_seconds_bucket{le=\"+Inf\"} 1\n",
	] {
		assert!(text.contains(line), "{line} {text}");
	}
	// Every line is one that Prometheus reads.
	for line in text.lines().filter(|line| !line.starts_with('#')) {
		let (name, value) = line.rsplit_once(' ').unwrap();
		assert!(name.starts_with("stoa_gateway_") && value.parse::<f64>().is_ok(), "{line}");
	}
	// What is public does not have them.
	assert_eq!(reqwest::get(world.url("/metrics")).await.unwrap().status(), 402);
}

#[tokio::test]
async fn what_was_lost_should_be_counted() {
	let world = World::new(1_000).await;
	world.client().await.get(&world.url("/")).await.unwrap();
	// The payer has closed the channel while the gateway did not settle.
	world.chain.state().finalized.clear();
	world.chain.state().later = 1;
	tokio::time::sleep(Duration::from_millis(300)).await;
	assert_eq!(world.present(&world.challenge().await, &sign(1_001)).await.status, 402);
	let stats = world.gateway.stats();
	assert_eq!((stats.lost, stats.unsettled, stats.ended_unread), (PRICE, 0, 0));
}

#[tokio::test]
async fn the_operator_should_settle_while_the_gateway_sells() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	for _ in 0..3 {
		client.get(&world.url("/")).await.unwrap();
	}
	let url = format!("{}/settle", door(&world).await);
	let (status, settled) = command(&url).await;
	assert_eq!(
		(status, &settled["claimed"], &settled["unsettled"]),
		(200, &"30".into(), &"0".into())
	);
	assert_eq!(settled["transactions"].as_array().unwrap().len(), 1);
	assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	assert_eq!(command(&url).await.1["claimed"], "10");
	assert!(command(&url).await.1["transactions"].as_array().unwrap().is_empty());
	assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	world.chain.state().down = true;
	assert_eq!(command(&url).await.0, 503);
}

#[tokio::test]
async fn the_operator_should_close_a_channel_with_all_that_is_owed_on_it() {
	let world = World::new(1_000).await;
	world.chain.put(ChannelInfo { lanes: 3, lane_settled: vec![0; 3], ..channel(1_000) });
	world.service.slow.store(true, Ordering::SeqCst);
	let client = world.client().await;
	let calls = (0..3).map(|_| {
		let (client, url) = (client.clone(), world.url("/"));
		tokio::spawn(async move { client.get(&url).await.unwrap().paid })
	});
	let calls: Vec<_> = calls.collect();
	while world.calls() < 3 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	// It waits for the calls that are under way.
	let door = door(&world).await;
	let (status, closed) = command(&close_url(&door, &CHANNEL)).await;
	assert_eq!((status, &closed["claimed"]), (200, &"30".into()), "{closed}");
	assert_eq!(closed["transactions"].as_array().unwrap().len(), 2);
	for call in calls {
		assert_eq!(call.await.unwrap(), PRICE);
	}
	{
		let state = world.chain.state();
		assert_eq!((state.batches.len(), state.batches[0].len()), (1, 2));
		let (id, last) = &state.closed[0];
		assert_eq!((*id, last.as_ref().unwrap().lane), (CHANNEL, 2));
		assert!(state.finalized.is_empty());
	}
	// Nothing was lost by it, and nothing is sold on it.
	assert!(client.get(&world.url("/")).await.is_err());
	world.chain.state().later = 1;
	assert_eq!(world.gateway.stats().lost, 0);
}

#[tokio::test]
async fn a_channel_should_not_be_closed_while_something_cannot_be_settled() {
	let world = World::new(1_000).await;
	world.chain.put(ChannelInfo { lanes: 2, lane_settled: vec![0; 2], ..channel(1_000) });
	let challenge = world.challenge().await;
	for lane in 0..2 {
		let voucher = Voucher { channel: CHANNEL, lane, cumulative: PRICE, valid_until: 0 };
		let signed = voucher_key().sign_voucher(voucher, &Domain::channels(GENESIS));
		assert_eq!(world.present(&challenge, &signed).await.status, 200);
	}
	world.chain.state().skip = Some(0);
	let (status, problem) = command(&close_url(&door(&world).await, &CHANNEL)).await;
	assert_eq!(status, 409, "{problem}");
	assert!(problem["detail"].as_str().unwrap().contains("AboveCap"), "{problem}");
	assert!(world.chain.state().closed.is_empty());
	let at = LaneKey { channel: CHANNEL, lane: 0 };
	assert!(world.gateway.payee().record(&at).is_some());
}

#[tokio::test]
async fn nobody_but_the_operator_should_give_commands() {
	let world = World::new(1_000).await;
	world.client().await.get(&world.url("/")).await.unwrap();
	let door = door(&world).await;
	for url in [format!("{door}/settle"), close_url(&door, &CHANNEL)] {
		let http = reqwest::Client::new();
		let with = |headers: &[(&'static str, &'static str)]| {
			headers
				.iter()
				.fold(http.post(&url), |request, (name, value)| request.header(*name, *value))
		};
		for request in [
			// What a page in a browser can send.
			with(&[]),
			with(&[("content-type", "text/plain"), ("origin", "https://evil.example")]),
			// A name that was made to lead here.
			with(&[("stoa-operator", "1"), ("host", "evil.example")]),
			// Passed on by a proxy.
			with(&[("stoa-operator", "1"), ("x-forwarded-for", "10.0.0.1")]),
		] {
			let reply = request.send().await.unwrap();
			assert_eq!(reply.status(), 403, "{url}");
		}
	}
	// Nor are they public.
	assert_eq!(command(&world.url("/settle")).await.0, 402);
	assert!(world.chain.state().batches.is_empty() && world.chain.state().closed.is_empty());
	assert_eq!(command(&close_url(&door, &[1; 32])).await.0, 404);
	assert_eq!(command(&format!("{door}/channel/x/close")).await.0, 404);
}
