//! All targets behind LLVM's libFuzzer; `scripts/fuzz` runs it.
//!
//! STOA_FUZZ_TARGET says which target. With STOA_FUZZ_SEEDS it writes the target's seeds into that folder
//! first.

#![no_main]

use std::{fs, path::Path, process::exit, sync::OnceLock};
use stoa_fuzz::{find, Target, TARGETS};

static TARGET: OnceLock<&Target> = OnceLock::new();

/// The target that was asked for. Lists them all and ends if there is none.
fn target() -> &'static Target {
	TARGET.get_or_init(|| {
		let name = std::env::var("STOA_FUZZ_TARGET").unwrap_or_default();
		find(&name).unwrap_or_else(|| {
			for target in TARGETS {
				println!("{:<12} {}", target.name, target.about);
			}
			exit(i32::from(!name.is_empty()));
		})
	})
}

fn write_seeds(folder: &Path) {
	for (n, seed) in (target().seeds)().iter().enumerate() {
		if let Err(error) = fs::write(folder.join(format!("seed-{n}")), seed) {
			eprintln!("{}: {error}", folder.display());
			exit(1);
		}
	}
}

libfuzzer_sys::fuzz_target!(
	init: {
		target();
		if let Some(folder) = std::env::var_os("STOA_FUZZ_SEEDS") {
			write_seeds(folder.as_ref());
		}
	},
	|bytes: &[u8]| (target().run)(bytes)
);
