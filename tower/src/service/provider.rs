//! Beside a provider: keeps towers and nodes up to date with what it holds.

use super::publish::{push_run, room, NodeStore, NotKept, PublishError, Survey};
use crate::{
	judge::Refused,
	machine::Outcome,
	statement::{List, MAX_ITEMS},
	tower::{Tower, TowerError},
};
use futures::{future::join_all, FutureExt};
use std::{
	cmp::Reverse,
	collections::{HashMap, HashSet},
	fmt,
	future::Future,
	time::Duration,
};
use stoa_client::{keys::AccountKey, payee::Unsettled};
use stoa_primitives::channel::{ChannelId, Item};
use tokio::time::Instant;

/// How often everything is sent anew: a tower or a node may have come back with an older disk.
const REFRESH: Duration = Duration::from_secs(60 * 60);

/// How often it is found out how many lists of the account share the room in a node's store.
const SURVEY: Duration = Duration::from_secs(10 * 60);

/// For how long something may be refused before that is told.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the last time may take.
const LAST: Duration = Duration::from_secs(5);

/// Where a backup goes.
#[derive(Clone)]
pub enum Target {
	/// A tower in this process.
	Here(Tower),
	/// A tower that listens on HTTP, like `http://127.0.0.1:8403`.
	Tower(String),
	/// The statement store of a node, like `ws://127.0.0.1:9944`.
	Node(String),
}

impl fmt::Display for Target {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Here(_) => f.write_str("the tower in this process"),
			Self::Tower(url) => write!(f, "the tower at {url}"),
			Self::Node(url) => write!(f, "the statement store of {url}"),
		}
	}
}

/// Why a target did not take a backup. It gets the same again.
#[derive(Debug, thiserror::Error)]
enum Failure {
	#[error(transparent)]
	Here(#[from] TowerError),
	#[error(transparent)]
	There(#[from] PublishError),
}

/// The side of a payee that wants to be settled for while it is away.
pub struct Provider {
	/// The payee's account key, or one that the towers trust.
	pub key: AccountKey,
	/// Tells the payee from others of the same account.
	pub list: List,
	/// Where what it holds is sent.
	pub targets: Vec<Target>,
	/// How often it is looked whether something has changed.
	pub every: Duration,
}

impl Provider {
	/// Sends what `items` gives to every target, until `shutdown` resolves: what has changed since that target
	/// took it, what it may take by now, and everything once an hour. The last time is when `shutdown`
	/// resolves. No target waits for another.
	///
	/// `items` is what the payee has accepted and not yet been paid, one item for each lane:
	/// [`Payee::proofs`](stoa_client::payee::Payee::proofs). `told` learns what is wrong with a target when
	/// that begins, and with `None` when it ends.
	pub async fn run(
		&self,
		items: impl Fn() -> Vec<Unsettled>,
		told: impl Fn(&Target, Option<String>),
		shutdown: impl Future<Output = ()>,
	) {
		let (shutdown, client) = (shutdown.shared(), reqwest::Client::new());
		let sender = Sender { key: &self.key, list: self.list, client: &client };
		let (items, told, sender) = (&items, &told, &sender);
		join_all(self.targets.iter().map(|target| {
			let mut shutdown = shutdown.clone();
			async move {
				let (mut backup, mut trouble) = (Backup::new(target.clone()), None);
				loop {
					let over = tokio::select! {
						() = &mut shutdown => true,
						() = tokio::time::sleep(self.every) => false,
					};
					let round = backup.bring_up_to_date(dearest_first(items()), sender);
					if over {
						let _ = tokio::time::timeout(LAST, round).await;
						return;
					}
					let outcome = round.await;
					if let Some(news) = Trouble::news(&mut trouble, outcome, Instant::now()) {
						told(target, news);
					}
				}
			}
		}))
		.await;
	}
}

/// What is wrong with a target.
#[derive(Clone, Copy, Debug)]
struct Trouble {
	left: Left,
	since: Instant,
	/// Whether this was told.
	told: bool,
	/// Whether anything was since all was well.
	open: bool,
}

/// What of a backup a target does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Left {
	/// Nothing.
	None,
	/// All of it may be missing.
	All,
	/// As many items were refused.
	Refused(usize),
	/// As many items have no room.
	Room(usize),
}

impl Trouble {
	/// Takes note of an outcome: what to say of it, if anything. What is refused for a moment, because the
	/// target's node is a block behind, is not worth a word.
	fn news(
		trouble: &mut Option<Self>,
		outcome: Result<Left, Failure>,
		now: Instant,
	) -> Option<Option<String>> {
		let left = *outcome.as_ref().unwrap_or(&Left::All);
		if left == Left::None {
			return trouble.take().filter(|trouble| trouble.open).map(|_| None);
		}
		let same =
			|before: &Self| std::mem::discriminant(&before.left) == std::mem::discriminant(&left);
		let open = trouble.is_some_and(|before| before.open);
		let before = trouble.filter(same);
		let current = before.unwrap_or(Self { left, since: now, told: false, open });
		let patient = matches!(left, Left::Refused(_));
		let due = !patient || now.saturating_duration_since(current.since) >= PATIENCE;
		*trouble = Some(Self { left, told: current.told || due, open: open || due, ..current });
		(due && !current.told).then(|| Some(reason(outcome)))
	}
}

fn reason(outcome: Result<Left, Failure>) -> String {
	match outcome {
		Err(error) => error.to_string(),
		Ok(Left::Refused(items)) => format!("it does not keep {items} of the proofs"),
		Ok(Left::Room(items)) => format!("it has no room for {items} of the proofs"),
		Ok(Left::All | Left::None) => "it does not have them".into(),
	}
}

/// What there is no room for should be what is worth least.
fn dearest_first(mut owed: Vec<Unsettled>) -> Vec<Item> {
	owed.sort_by_key(|one| Reverse(one.amount));
	owed.into_iter().map(|one| one.item).collect()
}

struct Sender<'a> {
	key: &'a AccountKey,
	list: List,
	client: &'a reqwest::Client,
}

/// What a target said to an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
	/// It has it, or more.
	Took,
	/// It does not want it.
	Refused,
	/// It does not want it now.
	Again,
	/// It has not looked at it.
	Unseen,
}

impl From<Outcome> for Answer {
	fn from(outcome: Outcome) -> Self {
		match outcome {
			Outcome::Kept | Outcome::Known => Self::Took,
			Outcome::Refused(Refused::Unseen) => Self::Unseen,
			Outcome::Refused(reason) if reason.may_change() => Self::Again,
			Outcome::Refused(_) => Self::Refused,
		}
	}
}

impl From<&NotKept> for Answer {
	fn from(refused: &NotKept) -> Self {
		match (refused.unseen, refused.again) {
			(true, _) => Self::Unseen,
			(false, true) => Self::Again,
			(false, false) => Self::Refused,
		}
	}
}

type Lane = (ChannelId, u32);

fn lane(item: &Item) -> Lane {
	(item.channel, item.lane)
}

/// A target, and what it said to what it got.
struct Backup {
	target: Target,
	answers: HashMap<Lane, (Item, Answer)>,
	/// When everything was sent.
	begun: Instant,
	/// What a node's store has, and when that was found out.
	survey: Option<(Survey, Instant)>,
}

impl Backup {
	fn new(target: Target) -> Self {
		let answers = HashMap::new();
		Self { target, answers, begun: Instant::now(), survey: None }
	}

	/// Sends what the target should have, the dearest of which come first in `all`. Returns what it does not
	/// have then.
	async fn bring_up_to_date(
		&mut self,
		all: Vec<Item>,
		sender: &Sender<'_>,
	) -> Result<Left, Failure> {
		if self.begun.elapsed() >= REFRESH {
			*self = Self::new(self.target.clone());
		}
		let lanes: HashSet<Lane> = all.iter().map(lane).collect();
		// What is no longer owed is forgotten.
		self.answers.retain(|lane, _| lanes.contains(lane));
		let sent = match self.target.clone() {
			Target::Node(url) => self.publish(&url, &all, sender).await,
			_ => self.push(&all, sender).await,
		};
		if let Err(error) = &sent {
			tracing::warn!(%error, "a backup of vouchers did not reach {}", self.target);
		}
		sent
	}

	fn answer(&self, item: &Item) -> Option<Answer> {
		let (known, answer) = self.answers.get(&lane(item))?;
		(known == item).then_some(*answer)
	}

	/// What the target has not got and may take: what it has not answered to yet before what it did not want,
	/// which could keep it from looking at the rest.
	fn fresh(&self, all: &[Item]) -> Vec<Item> {
		let with = |wanted| all.iter().filter(move |item| self.answer(item) == wanted).copied();
		with(None).chain(with(Some(Answer::Again))).collect()
	}

	/// Sends what is fresh to a tower.
	async fn push(&mut self, all: &[Item], sender: &Sender<'_>) -> Result<Left, Failure> {
		let fresh = self.fresh(all);
		// It fits a usize on every platform that the standard library's networking runs on.
		for run in fresh.chunks(usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX)) {
			let answers = self.offer(run, sender).await?;
			self.remember(run, answers);
		}
		let missing = all.iter().filter(|item| self.answer(item) != Some(Answer::Took)).count();
		Ok(match missing {
			0 => Left::None,
			missing => Left::Refused(missing),
		})
	}

	/// Offers as many items as are in one statement. An answer for each.
	async fn offer(&self, run: &[Item], sender: &Sender<'_>) -> Result<Vec<Answer>, Failure> {
		let url = match &self.target {
			Target::Here(tower) => {
				let outcomes = tower.offer(None, run).await?;
				return Ok(outcomes.into_iter().map(Answer::from).collect());
			},
			Target::Tower(url) | Target::Node(url) => url,
		};
		let pushed = push_run(sender.client, url, sender.key, run).await?;
		let mut answers = vec![Answer::Took; run.len()];
		for refused in &pushed.refused {
			tracing::debug!(reason = refused.reason, "a voucher was refused");
			if let Some(answer) = answers.get_mut(refused.index) {
				*answer = refused.into();
			}
		}
		Ok(answers)
	}

	/// What was not looked at counts as not sent, so it comes first the next time.
	fn remember(&mut self, run: &[Item], answers: Vec<Answer>) {
		for (item, answer) in run.iter().zip(answers) {
			match answer {
				Answer::Unseen => self.answers.remove(&lane(item)),
				answer => self.answers.insert(lane(item), (*item, answer)),
			};
		}
	}

	/// Publishes what has room if not all of it has been. A statement replaces the one before it, so
	/// everything goes.
	async fn publish(
		&mut self,
		url: &str,
		all: &[Item],
		sender: &Sender<'_>,
	) -> Result<Left, Failure> {
		let known = self.survey.filter(|(_, at)| at.elapsed() < SURVEY);
		if let Some((survey, _)) = known {
			let list = room(sender.list, &survey);
			if self.has(all, &list) {
				return Ok(left_out(all, &list));
			}
		}
		let node = NodeStore::connect(url).await?;
		let (mut survey, at) = match known {
			Some(known) => known,
			None => (node.survey(&sender.key.account(), &sender.list).await?, Instant::now()),
		};
		let list = room(sender.list, &survey);
		if !self.has(all, &list) {
			// Until it is known how much of it arrives.
			(self.survey, self.answers) = (None, HashMap::new());
			let published = node.publish(sender.key, sender.list, all, &mut survey).await?;
			let items = all.get(..published.items).unwrap_or_default();
			self.remember(items, vec![Answer::Took; items.len()]);
		}
		self.survey = Some((survey, at));
		Ok(left_out(all, &list))
	}

	/// Whether the store has all that has room in it, and no more.
	fn has(&self, all: &[Item], list: &List) -> bool {
		let room = all.get(..list.room(all)).unwrap_or_default();
		let published = room.iter().all(|item| self.answer(item) == Some(Answer::Took));
		published && self.answers.len() <= room.len()
	}
}

/// What of `all` has no room in a list.
fn left_out(all: &[Item], list: &List) -> Left {
	match all.len().saturating_sub(list.room(all)) {
		0 => Left::None,
		items => Left::Room(items),
	}
}

#[cfg(test)]
mod tests;
