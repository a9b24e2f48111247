//! `docs/attacks.md` names tests: each must exist, and each attack must be answered.

use std::{
	collections::BTreeSet,
	fs,
	path::{Path, PathBuf},
};

fn root() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all functions below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
	for entry in fs::read_dir(folder).expect("the folder is there") {
		let path = entry.expect("it can be read").path();
		if path.is_dir() {
			functions(&path, names);
		} else if path.extension().is_some_and(|extension| extension == "rs") {
			let text = fs::read_to_string(&path).expect("sources are text");
			let found = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
			names.extend(found.map(|(name, _)| name.to_owned()));
		}
	}
}

#[test]
fn every_attack_should_be_answered_by_a_test_that_exists() {
	let mut names = BTreeSet::new();
	for folder in ["pallets/channels/src", "client/src", "gateway/src", "tower/src", "tests/tests"]
	{
		functions(&root().join(folder), &mut names);
	}
	let text = fs::read_to_string(root().join("docs/attacks.md")).expect("the docs are there");
	for number in 1..=24 {
		let row = text.lines().find(|line| line.starts_with(&format!("| A{number} |")));
		let row = row.unwrap_or_else(|| panic!("A{number} is missing"));
		let tests: Vec<_> = row.split('`').skip(1).step_by(2).collect();
		assert!(!tests.is_empty(), "A{number} names no test");
		for name in tests {
			assert!(names.contains(name), "A{number} names `{name}`, which is no test");
		}
	}
}
