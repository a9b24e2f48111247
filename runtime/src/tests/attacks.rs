//! `docs/attacks.md` names tests: each must exist, and each attack must be answered.

use std::{
	collections::{BTreeMap, BTreeSet},
	fs,
	path::{Path, PathBuf},
};

fn root() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all tests below a folder: functions with the attribute of one, within `proptest!` or not.
fn tests(folder: &Path, names: &mut BTreeSet<String>) {
	for entry in fs::read_dir(folder).expect("the folder is there") {
		let path = entry.expect("it can be read").path();
		if path.is_dir() {
			tests(&path, names);
		} else if path.extension().is_some_and(|extension| extension == "rs") {
			tests_of(&fs::read_to_string(&path).expect("sources are text"), names);
		}
	}
}

fn tests_of(source: &str, names: &mut BTreeSet<String>) {
	let (mut is_test, mut ignored) = (false, false);
	for line in source.lines().map(str::trim) {
		let starts = |with: &str| line.starts_with(with);
		if starts("#[test]") || starts("#[tokio::test") {
			is_test = true;
		} else if starts("#[ignore") {
			ignored = true;
		} else if let Some(rest) = line.strip_prefix("async fn ").or(line.strip_prefix("fn ")) {
			let name = rest.split(['(', '<']).next().filter(|_| is_test && !ignored);
			names.extend(name.map(str::to_owned));
			(is_test, ignored) = (false, false);
		} else if !starts("#[") && !starts("//") {
			(is_test, ignored) = (false, false);
		}
	}
}

/// Where the tests of a crate are, by its name in the docs.
fn folder(name: &str) -> &'static str {
	match name {
		"" => "pallets/channels/src/tests",
		"escrow" => "pallets/escrow/src/tests",
		"runtime" => "runtime/src/tests",
		"client" => "client/src",
		"gateway" => "gateway/src",
		"tower" => "tower/src",
		"tests" => "tests/tests",
		other => panic!("the docs name `{other}`, which is no crate with tests"),
	}
}

/// The tests that a cell names, each with its crate: a crate holds until the next one.
fn named(cell: &str) -> Vec<(&str, &str)> {
	let (mut krate, mut named) = ("", Vec::new());
	for (n, part) in cell.split('`').enumerate() {
		let word = part.trim_matches([' ', ',']);
		match n % 2 {
			1 => named.push((krate, part)),
			_ if !word.is_empty() => krate = word,
			_ => (),
		}
	}
	named
}

#[test]
fn every_attack_should_be_answered_by_a_test_that_exists() {
	let mut known = BTreeMap::<&str, BTreeSet<String>>::new();
	let text = fs::read_to_string(root().join("docs/attacks.md")).expect("the docs are there");
	let channels = (1..=24).map(|number| format!("A{number}"));
	for number in channels.chain((1..=17).map(|number| format!("E{number}"))) {
		let row = text.lines().find(|line| line.starts_with(&format!("| {number} |")));
		let row = row.unwrap_or_else(|| panic!("{number} is missing"));
		let cells: Vec<_> = row.split('|').collect();
		assert_eq!(cells.len(), 6, "{number} has too many columns, or too few");
		let named = named(cells[4]);
		assert!(!named.is_empty(), "{number} names no test");
		for (krate, name) in named {
			let names = known.entry(krate).or_insert_with(|| {
				let mut names = BTreeSet::new();
				tests(&root().join(folder(krate)), &mut names);
				names
			});
			assert!(names.contains(name), "{number} names `{krate} {name}`, which is no test");
		}
	}
}

#[test]
fn only_tests_should_count_as_tests() {
	let mut names = BTreeSet::new();
	let source = "
		fn helper() {}
		#[test]
		#[allow(dead_code)]
		/// Says what.
		fn a_test() {
			fn inner() {}
		}
		#[tokio::test(flavor = \"multi_thread\")]
		async fn another() {}
		#[test]
		#[ignore]
		fn not_run() {}
		#[cfg(test)]
		fn not_one() {}
	";
	tests_of(source, &mut names);
	assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a_test", "another"]);
	assert_eq!(
		named(" `a`, client `b`, `c`, tests `d` "),
		[("", "a"), ("client", "b"), ("client", "c"), ("tests", "d")]
	);
}
