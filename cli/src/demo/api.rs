//! The service that the demo sells: statistics of a text.
//!
//! It knows nothing of payments: the gateway in front of it does.

use axum::{
	body::Bytes,
	extract::DefaultBodyLimit,
	http::StatusCode,
	routing::{get, post},
	Json, Router,
};
use serde::{Deserialize, Serialize};
use std::{
	collections::{BTreeMap, HashMap},
	io,
	net::SocketAddr,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Where the service is, under its base address.
pub const PATH: &str = "/v1/statistics";

/// Largest document, in bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// Words per minute of a silent reader, for the reading time.
const READING_SPEED: u32 = 238;

/// What the service says of a text.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Statistics {
	/// Bytes of the text in UTF-8.
	pub bytes: u32,
	/// Unicode characters.
	pub characters: u32,
	/// Words: runs of letters and digits, with apostrophes and hyphens inside.
	pub words: u32,
	/// Different words, whatever their case.
	pub distinct_words: u32,
	/// Sentences: they end with `.`, `!`, `?` or `…`, or with the text.
	pub sentences: u32,
	/// Paragraphs: they end with an empty line.
	pub paragraphs: u32,
	/// The longest word in lower case; the first of several.
	pub longest_word: String,
	/// The five most frequent words, by count, then by alphabet.
	pub top_words: Vec<WordCount>,
	/// Flesch's reading ease in tenths of a point: 1000 is easiest, below 300 for experts.
	pub reading_ease_tenths: i64,
	/// Time to read it silently, in seconds, rounded up.
	pub reading_seconds: u32,
}

/// How often a word occurs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WordCount {
	/// In lower case.
	pub word: String,
	/// Occurrences.
	pub count: u32,
}

fn count(n: usize) -> u32 {
	u32::try_from(n).unwrap_or(u32::MAX)
}

/// The words of `text` in lower case.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
	text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’' | '-')))
		.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
		.filter(|word| !word.is_empty())
		.map(str::to_lowercase)
}

/// Sentences: pieces between terminators that hold a letter or a digit.
fn sentences(text: &str) -> u32 {
	let piece = |piece: &&str| piece.chars().any(char::is_alphanumeric);
	count(text.split(['.', '!', '?', '…']).filter(piece).count())
}

/// Paragraphs: runs of lines that are not blank.
fn paragraphs(text: &str) -> u32 {
	let mut inside = false;
	let starts = text.lines().filter(|line| {
		let blank = line.trim().is_empty();
		let start = !blank && !inside;
		inside = !blank;
		start
	});
	count(starts.count())
}

/// Syllables of an English word in lower case: groups of vowels, less a silent `e` at the end, at
/// least one.
fn syllables(word: &str) -> u32 {
	let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
	let mut groups = 0u32;
	let mut before = false;
	for c in word.chars() {
		let now = vowel(c);
		if now && !before {
			groups = groups.saturating_add(1);
		}
		before = now;
	}
	let silent = word.ends_with('e') && !word.ends_with("le") && !word.ends_with("ee");
	groups.saturating_sub(u32::from(silent)).max(1)
}

/// `206.835 − 1.015 · words/sentences − 84.6 · syllables/words`, in tenths, in integers, so that
/// every machine says the same.
fn reading_ease_tenths(words: u32, sentences: u32, syllables: u32) -> i64 {
	let (words, sentences, syllables) =
		(i64::from(words), i64::from(sentences), i64::from(syllables));
	let per_sentence = words.saturating_mul(1_015).checked_div(sentences).unwrap_or(0);
	let per_word = syllables.saturating_mul(84_600).checked_div(words).unwrap_or(0);
	206_835i64.saturating_sub(per_sentence).saturating_sub(per_word) / 100
}

/// The statistics of `text`.
pub fn statistics(text: &str) -> Statistics {
	let mut counts: HashMap<String, u32> = HashMap::new();
	let (mut total, mut all_syllables) = (0u32, 0u32);
	let mut longest = String::new();
	for word in words(text) {
		total = total.saturating_add(1);
		all_syllables = all_syllables.saturating_add(syllables(&word));
		if word.chars().count() > longest.chars().count() {
			longest.clone_from(&word);
		}
		let entry = counts.entry(word).or_default();
		*entry = entry.saturating_add(1);
	}
	let distinct_words = count(counts.len());
	let sorted: BTreeMap<_, _> =
		counts.into_iter().map(|(word, n)| ((u32::MAX.saturating_sub(n), word), n)).collect();
	let top = sorted.into_iter().take(5).map(|((_, word), count)| WordCount { word, count });
	let sentences = sentences(text);
	Statistics {
		bytes: count(text.len()),
		characters: count(text.chars().count()),
		words: total,
		distinct_words,
		sentences,
		paragraphs: paragraphs(text),
		longest_word: longest,
		top_words: top.collect(),
		reading_ease_tenths: match total {
			0 => 0,
			_ => reading_ease_tenths(total, sentences, all_syllables),
		},
		reading_seconds: total.saturating_mul(60).div_ceil(READING_SPEED),
	}
}

async fn answer(body: Bytes) -> Result<Json<Statistics>, (StatusCode, String)> {
	let refuse = |why: &str| (StatusCode::BAD_REQUEST, format!("{why}\n"));
	let text = std::str::from_utf8(&body).map_err(|_| refuse("the text is not UTF-8"))?;
	if text.trim().is_empty() {
		return Err(refuse("the text is empty"));
	}
	Ok(Json(statistics(text)))
}

/// The service's routes.
pub fn router() -> Router {
	Router::new()
		.route(PATH, post(answer))
		.route("/health", get(|| async { "ok\n" }))
		.layer(DefaultBodyLimit::max(MAX_DOCUMENT))
}

/// The service while it runs.
pub struct Service {
	/// Where it listens.
	pub address: SocketAddr,
	stop: oneshot::Sender<()>,
	task: JoinHandle<io::Result<()>>,
}

impl Service {
	/// Start on a free port of this machine.
	///
	/// # Errors
	///
	/// When no port can be opened.
	pub async fn start() -> io::Result<Self> {
		let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
		let address = listener.local_addr()?;
		let (stop, stopped) = oneshot::channel::<()>();
		let task = tokio::spawn(async move {
			let until = async {
				// A dropped sender stops the service as well.
				let _ = stopped.await;
			};
			axum::serve(listener, router()).with_graceful_shutdown(until).await
		});
		Ok(Self { address, stop, task })
	}

	/// Answer what is under way, then end.
	///
	/// # Errors
	///
	/// What made the service fail.
	pub async fn stop(self) -> io::Result<()> {
		let _ = self.stop.send(());
		self.task.await.map_err(io::Error::other)?
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn statistics_should_count_a_known_text() {
		let text = "The cat sat on the mat. It didn't move!\n\nWas it a well-fed cat? The end";
		let stats = statistics(text);
		assert_eq!(stats.bytes, 71);
		assert_eq!(stats.characters, 71);
		assert_eq!(stats.words, 16);
		assert_eq!(stats.distinct_words, 12);
		assert_eq!(stats.sentences, 4);
		assert_eq!(stats.paragraphs, 2);
		assert_eq!(stats.longest_word, "well-fed");
		let top: Vec<_> = stats.top_words.iter().map(|w| (w.word.as_str(), w.count)).collect();
		assert_eq!(top, [("the", 3), ("cat", 2), ("it", 2), ("a", 1), ("didn't", 1)]);
		assert_eq!(stats.reading_seconds, 5);
	}

	#[test]
	fn statistics_should_be_zero_for_a_text_without_words() {
		for text in ["", "   ", "... !? -- '"] {
			let stats = statistics(text);
			assert_eq!((stats.words, stats.sentences, stats.reading_ease_tenths), (0, 0, 0));
			assert!(stats.top_words.is_empty() && stats.longest_word.is_empty());
		}
	}

	#[test]
	fn statistics_should_tell_bytes_from_characters() {
		let stats = statistics("Größe – naïve café.");
		assert_eq!((stats.bytes, stats.characters, stats.words), (25, 19, 3));
		assert_eq!(stats.longest_word, "größe");
	}

	#[test]
	fn sentences_should_end_once_for_a_run_of_terminators() {
		assert_eq!(sentences("Wait... what?! Yes."), 3);
		assert_eq!(sentences("no end"), 1);
	}

	#[test]
	fn syllables_should_follow_the_vowel_groups() {
		for (word, n) in [
			("cat", 1),
			("table", 2),
			("reading", 2),
			("make", 1),
			("the", 1),
			("rhythm", 1),
			("x", 1),
		] {
			assert_eq!(syllables(word), n, "{word}");
		}
	}

	#[test]
	fn reading_ease_should_match_the_formula() {
		// 10 words, 2 sentences, 14 syllables: 206.835 - 1.015 * 5 - 84.6 * 1.4 = 83.32.
		assert_eq!(reading_ease_tenths(10, 2, 14), 833);
		assert_eq!(reading_ease_tenths(0, 0, 0), 2068);
		// Long words and sentences go below zero.
		assert!(reading_ease_tenths(60, 1, 240) < 0);
	}
}
