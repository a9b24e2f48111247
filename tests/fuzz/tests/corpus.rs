//! Tries all seeds, the corpus, and as many changed inputs as each target says.

use std::{
	fs,
	panic::{catch_unwind, resume_unwind},
	path::{Path, PathBuf},
	thread,
};
use stoa_fuzz::{
	mutate::{mutate, Numbers},
	Target, TARGETS,
};

/// The seed of all changes.
const SEED: u64 = 0x5374_6F61;

fn folder(target: &Target) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// All inputs of a target with the names of their files, in order.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
	let files = fs::read_dir(folder(target)).map(|files| files.flatten().collect::<Vec<_>>());
	let mut inputs: Vec<_> = files
		.unwrap_or_default()
		.into_iter()
		.map(|file| (file.path().display().to_string(), fs::read(file.path()).unwrap()))
		.collect();
	inputs.sort();
	inputs
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tries one input, and says which it was if it fails.
fn attempt(target: &Target, name: &str, input: &[u8]) {
	if let Err(panic) = catch_unwind(|| (target.run)(input)) {
		eprintln!("{}: {name} fails: {}", target.name, hex(input));
		resume_unwind(panic);
	}
}

fn replay(target: &Target) {
	let files = corpus(target);
	assert!(!files.is_empty(), "no corpus: scripts/fuzz --minimize {} makes one", target.name);
	for (n, seed) in (target.seeds)().iter().enumerate() {
		attempt(target, &format!("seed {n}"), seed);
	}
	for (name, input) in &files {
		attempt(target, name, input);
	}
	let inputs: Vec<_> = files.into_iter().map(|(_, input)| input).collect();
	let mut numbers = Numbers::new(SEED);
	for n in 0..target.mutations {
		attempt(target, &format!("change {n}"), &mutate(&mut numbers, &inputs));
	}
}

#[test]
fn the_corpus_and_what_is_near_it_should_hold() {
	thread::scope(|scope| {
		let threads: Vec<_> =
			TARGETS.iter().map(|target| (target, scope.spawn(|| replay(target)))).collect();
		for (target, thread) in threads {
			assert!(thread.join().is_ok(), "the target {} fails: see above", target.name);
		}
	});
}

#[test]
fn every_folder_should_be_of_a_target() {
	let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap();
	for folder in folders.flatten() {
		let name = folder.file_name();
		assert!(TARGETS.iter().any(|target| *target.name == name), "{name:?} is of no target");
	}
}
