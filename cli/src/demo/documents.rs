//! The documents that the demo's consumers have analysed: made up, but the same on every machine.

use super::api::Statistics;

const WORDS: [&str; 128] = [
	"agent",
	"answer",
	"archive",
	"balance",
	"bargain",
	"basket",
	"bridge",
	"broker",
	"buyer",
	"capital",
	"captain",
	"cargo",
	"channel",
	"charter",
	"city",
	"claim",
	"clerk",
	"coast",
	"coin",
	"colony",
	"column",
	"compass",
	"contract",
	"copper",
	"council",
	"courier",
	"craft",
	"credit",
	"custom",
	"dealer",
	"debt",
	"deposit",
	"docks",
	"duty",
	"envoy",
	"escrow",
	"exchange",
	"fair",
	"ferry",
	"fleet",
	"garden",
	"goods",
	"grain",
	"guild",
	"harbour",
	"harvest",
	"herald",
	"honey",
	"house",
	"island",
	"journey",
	"judge",
	"keeper",
	"ledger",
	"letter",
	"lighthouse",
	"linen",
	"market",
	"marble",
	"mason",
	"measure",
	"merchant",
	"message",
	"mill",
	"mint",
	"mountain",
	"negotiation",
	"notary",
	"oar",
	"offer",
	"olive",
	"oracle",
	"order",
	"owner",
	"paper",
	"payment",
	"pilot",
	"port",
	"portico",
	"price",
	"promise",
	"provider",
	"purse",
	"quarter",
	"receipt",
	"record",
	"region",
	"reputation",
	"river",
	"road",
	"sail",
	"scale",
	"scribe",
	"seal",
	"seller",
	"service",
	"settlement",
	"share",
	"ship",
	"shore",
	"signature",
	"silver",
	"square",
	"stall",
	"station",
	"steward",
	"stone",
	"storm",
	"street",
	"summer",
	"table",
	"temple",
	"tide",
	"timber",
	"token",
	"tower",
	"town",
	"trade",
	"treaty",
	"trust",
	"vessel",
	"village",
	"vineyard",
	"voucher",
	"voyage",
	"warehouse",
	"weight",
	"window",
];

const LINKS: [&str; 16] = [
	"and", "the", "of", "a", "to", "in", "for", "with", "before", "after", "under", "beyond",
	"against", "without", "near", "from",
];

/// SplitMix64 (Steele, Lea, Flood 2014): small, good enough for texts, nothing to do with keys.
struct Mixer(u64);

impl Mixer {
	fn next(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
		let mut z = self.0;
		z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
		z ^ (z >> 31)
	}

	/// Below `bound`, which is small: the bias does not matter.
	fn below(&mut self, bound: usize) -> usize {
		let bound = u64::try_from(bound).unwrap_or(1).max(1);
		usize::try_from(self.next().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
	}

	fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
		from.get(self.below(from.len())).copied().unwrap_or_default()
	}
}

/// The document that `consumer` sends with call number `call`; no two are equal.
pub fn document(consumer: usize, call: u64) -> String {
	let seed = u64::try_from(consumer).unwrap_or(u64::MAX).wrapping_mul(0xD1B5_4A32_D192_ED03);
	let mut mixer = Mixer(seed ^ call.wrapping_mul(0x9FB2_1C65_1E98_DF25));
	let mut text = format!("Report {consumer}-{call} from the market");
	for sentence in 0..mixer.below(10).saturating_add(3) {
		text.push_str(if sentence % 4 == 3 { ".\n\nThe" } else { ". The" });
		for _ in 0..mixer.below(6).saturating_add(2) {
			for part in [mixer.pick(&WORDS), mixer.pick(&LINKS)] {
				text.push(' ');
				text.push_str(part);
			}
		}
		text.push(' ');
		text.push_str(mixer.pick(&WORDS));
	}
	text.push_str(".\n");
	text
}

/// What is wrong with an answer about `text`, found by other means than the service's own.
///
/// The documents hold no hyphen between blanks and no apostrophe, so that words are what blanks
/// separate and sentences are what full stops end.
pub fn contradiction(text: &str, answer: &Statistics) -> Option<String> {
	let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
	let bare = |word: &str| word.replace('.', "").to_lowercase();
	let mut distinct: Vec<_> = text.split_ascii_whitespace().map(bare).collect();
	distinct.sort();
	distinct.dedup();
	let rows = [
		("bytes", number(text.len()), answer.bytes),
		("words", number(text.split_ascii_whitespace().count()), answer.words),
		("distinct words", number(distinct.len()), answer.distinct_words),
		("sentences", number(text.matches('.').count()), answer.sentences),
		("paragraphs", number(text.matches("\n\n").count().saturating_add(1)), answer.paragraphs),
		(
			"length of the longest word",
			number(distinct.iter().map(String::len).max().unwrap_or(0)),
			number(answer.longest_word.len()),
		),
	];
	let wrong = rows.iter().find(|(_, expected, found)| expected != found);
	wrong.map(|(what, expected, found)| format!("{what}: expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
	use super::{super::api::statistics, *};
	use std::collections::HashSet;

	#[test]
	fn documents_should_differ_and_repeat() {
		let all: HashSet<_> = (0..5).flat_map(|c| (0..200).map(move |n| document(c, n))).collect();
		assert_eq!(all.len(), 1_000);
		assert_eq!(document(1, 7), document(1, 7));
		assert!(all.iter().all(|text| text.is_ascii() && (60..2_000).contains(&text.len())));
	}

	#[test]
	fn right_answers_should_not_be_contradicted() {
		for call in 0..200 {
			let text = document(2, call);
			assert_eq!(contradiction(&text, &statistics(&text)), None, "{text}");
		}
	}

	#[test]
	fn wrong_answers_should_be_contradicted() {
		let text = document(0, 0);
		let right = statistics(&text);
		let wrong = [
			Statistics { bytes: right.bytes + 1, ..right.clone() },
			Statistics { words: right.words - 1, ..right.clone() },
			Statistics { distinct_words: 0, ..right.clone() },
			Statistics { sentences: right.sentences + 1, ..right.clone() },
			Statistics { paragraphs: 0, ..right.clone() },
			Statistics { longest_word: "a".into(), ..right.clone() },
			statistics(&document(0, 1)),
		];
		for answer in wrong {
			assert!(contradiction(&text, &answer).is_some(), "{answer:?}");
		}
	}
}
