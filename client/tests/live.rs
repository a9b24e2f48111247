use stoa_client::{chain::*, keys::*};
#[tokio::test(flavor = "multi_thread")]
async fn live() {
	let chain = Chain::connect(&std::env::var("STOA_NODE").unwrap(), ConnectOptions::default()).await.unwrap();
	let poor = AccountKey::generate(Scheme::Sr25519).0;
	eprintln!("poor: {}", chain.submit(&calls::remark(vec![]), &poor, SubmitOptions::in_block()).await.unwrap_err());
	eprintln!("{}", Chain::connect("ws://127.0.0.1:1", ConnectOptions::default()).await.unwrap_err());
	for _ in 0..20 {
		eprintln!("{:?}", chain.block(At::Best).await.map_err(|e| e.to_string()));
		tokio::time::sleep(std::time::Duration::from_secs(2)).await;
	}
}
