//! What `stoa serve` does for the time when it is away: sends what it is owed to watchtowers, and has it
//! back when its store was lost.

use crate::{
	amount::Unit,
	context::Context,
	keys::KeyPair,
	output::{tell, Failure, Format},
	time::parse_span,
};
use clap::Args;
use serde_json::json;
use std::time::Duration;
use stoa_client::{
	chain::Chain,
	payee::{restore, Payee},
	store::Store,
};
use stoa_primitives::channel::Item;
use stoa_tower::{
	service::{fetch, fetch_published, Provider, Target},
	List,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// Where vouchers are kept for the time when the command does not run.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
	/// Send what is owed to this watchtower, which settles it when a buyer closes its channel while
	/// nobody is here: like http://127.0.0.1:8403. Can be repeated.
	#[arg(long = "tower", value_name = "URL")]
	pub towers: Vec<String>,
	/// Leave what is owed in the statement store of a node, where all watchtowers find it: the node of
	/// --node, or the one with this address. Can be repeated.
	#[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
	pub backup_to_node: Vec<String>,
	/// How often that is brought up to date: like 5s, 1m.
	#[arg(long, default_value = "5s", value_name = "TIME")]
	pub backup_every: String,
	/// Before the start, take back what those watchtowers and nodes have: for a store that was lost, or is
	/// an older copy.
	#[arg(long)]
	pub recover: bool,
}

/// Where a payee's vouchers are backed up.
#[derive(Debug)]
pub struct Backup {
	towers: Vec<String>,
	nodes: Vec<String>,
	every: Duration,
	format: Format,
}

impl Backup {
	/// What the arguments ask for.
	///
	/// # Errors
	///
	/// When they make no sense.
	pub fn new(context: &Context, args: &BackupArgs) -> Result<Self, Failure> {
		let own = |url: &String| match url.is_empty() {
			true => context.node().to_owned(),
			false => url.clone(),
		};
		let mut nodes: Vec<_> = args.backup_to_node.iter().map(own).collect();
		nodes.dedup();
		for url in &args.towers {
			check(url, ["http://", "https://"], "--tower http://127.0.0.1:8403")?;
		}
		for url in &nodes {
			check(url, ["ws://", "wss://"], "--backup-to-node ws://127.0.0.1:9944")?;
		}
		if args.recover && args.towers.is_empty() && nodes.is_empty() {
			return Err(Failure::new(
				"there is nothing to recover from",
				"name who has a backup with --tower URL or --backup-to-node",
			));
		}
		let every = parse_span(&args.backup_every)?;
		Ok(Self { towers: args.towers.clone(), nodes, every, format: context.format() })
	}

	fn targets(&self) -> Vec<Target> {
		let towers = self.towers.iter().cloned().map(Target::Tower);
		towers.chain(self.nodes.iter().cloned().map(Target::Node)).collect()
	}

	/// Puts what towers and nodes have kept into the store, before the payee starts. One that does not answer
	/// is told of, and made up for by the others.
	///
	/// # Errors
	///
	/// When none answers, or chain or store fail.
	pub async fn recover(
		&self,
		context: &Context,
		chain: &Chain,
		store: &dyn Store,
		key: &KeyPair,
		unit: &Unit,
	) -> Result<(), Failure> {
		let (account, client) = (key.account_id(), reqwest::Client::new());
		let (mut items, mut answers, mut last) = (Vec::<Item>::new(), 0usize, None);
		for target in self.targets() {
			let fetched = match &target {
				Target::Tower(url) => {
					fetch(&client, url, &key.account, &account, chain.genesis()).await
				},
				Target::Node(url) => fetch_published(url, &account).await,
				Target::Here(_) => continue,
			};
			match fetched {
				Ok(found) => {
					answers = answers.saturating_add(1);
					items.extend(found);
				},
				Err(error) => {
					let line = format!("warning: {target} gives nothing back: {error}");
					let json = json!({ "target": target.to_string(), "cause": error.to_string() });
					tell(self.format, &line, &json!({ "recovery": json }));
					last = Some(error);
				},
			}
		}
		if let Some(error) = last.filter(|_| answers == 0) {
			return Err(Failure::new(
				format!("nothing could be recovered: {error}"),
				"check the addresses, or leave out --recover to start with what is here",
			));
		}
		let restored = restore(store, chain, &account, &unit.asset, &items).await?;
		let (known, refused) = (restored.known, restored.refused);
		let lanes = match restored.lanes {
			1 => "1 lane".into(),
			lanes => format!("{lanes} lanes"),
		};
		context.progress(&format!(
			"Recovered vouchers for {lanes}, of which {} is owed; {known} were here, {refused} are of \
			 no use any more.",
			unit.show(restored.owed)
		));
		Ok(())
	}

	/// Begins to send what `payee` is owed; `None` when there is nowhere to send it to.
	pub fn start(
		&self,
		context: &Context,
		payee: &Payee,
		key: &KeyPair,
		unit: &Unit,
	) -> Option<Running> {
		let targets = self.targets();
		if targets.is_empty() {
			return None;
		}
		let names: Vec<_> = targets.iter().map(Target::to_string).collect();
		context.progress(&format!("What is owed is also kept by {}.", names.join(", ")));
		let list = List::of(&unit.asset);
		let provider = Provider { key: key.account.clone(), list, targets, every: self.every };
		let (payee, format) = (payee.clone(), self.format);
		let (stop, stopped) = oneshot::channel::<()>();
		let task = tokio::spawn(async move {
			let told = |target: &Target, news: Option<String>| told(format, target, news);
			// Resolves when the sender is dropped.
			let stopped = async { drop(stopped.await) };
			provider.run(|| payee.proofs(), told, stopped).await;
		});
		Some(Running { stop, task })
	}
}

fn check(url: &str, schemes: [&str; 2], example: &str) -> Result<(), Failure> {
	match schemes.iter().any(|scheme| url.starts_with(scheme)) {
		true => Ok(()),
		false => {
			let [one, other] = schemes;
			Err(Failure::new(
				format!("`{url}` begins with neither {one} nor {other}"),
				format!("give an address like {example}"),
			))
		},
	}
}

/// Says that a backup begins to fail, or works again.
fn told(format: Format, target: &Target, news: Option<String>) {
	let name = target.to_string();
	let (line, json) = match news {
		Some(cause) => (
			format!("warning: a backup of vouchers to {name} fails: {cause}. It is tried again."),
			json!({ "target": name, "state": "failing", "cause": cause }),
		),
		None => (
			format!("The backup of vouchers to {name} works again."),
			json!({ "target": name, "state": "recovered" }),
		),
	};
	tell(format, &line, &json!({ "backup": json }));
}

/// A backup that is kept up to date.
pub struct Running {
	stop: oneshot::Sender<()>,
	task: JoinHandle<()>,
}

impl Running {
	/// Sends the latest once more and ends, within five seconds.
	pub async fn finish(self) {
		drop(self.stop);
		if let Err(error) = self.task.await {
			tracing::error!(%error, "the backup failed");
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::cli::{Cli, Command};
	use clap::Parser;

	fn parse(line: &str) -> (Cli, Result<Backup, Failure>) {
		let line = format!("stoa serve --upstream http://x --price 1 --home /nowhere {line}");
		let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
		let context = Context::new(cli.global.clone()).unwrap();
		let Command::Serve(serve) = &cli.command else { panic!("another command") };
		let backup = Backup::new(&context, &serve.backup);
		(cli, backup)
	}

	#[test]
	fn the_own_node_should_be_meant_when_none_is_named() {
		let backup = parse("--backup-to-node --tower http://a:1 --tower http://b:2").1.unwrap();
		assert_eq!(backup.nodes, ["ws://127.0.0.1:9944"]);
		assert_eq!(backup.towers, ["http://a:1", "http://b:2"]);
		assert_eq!(backup.every, Duration::from_secs(5));
		let line = "--backup-to-node ws://a:1 --backup-to-node --node ws://c:3";
		assert_eq!(parse(line).1.unwrap().nodes, ["ws://a:1", "ws://c:3"]);
		assert!(parse("").1.unwrap().targets().is_empty());
	}

	#[test]
	fn addresses_that_cannot_be_used_should_be_refused_at_once() {
		for line in [
			"--tower ws://a",
			"--tower a:1",
			"--backup-to-node http://a",
			"--recover",
			"--backup-every x",
		] {
			assert!(parse(line).1.is_err(), "{line}");
		}
		assert!(parse("--recover --backup-to-node").1.is_ok());
	}
}
