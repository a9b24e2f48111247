//! Channels against their budgets: `scripts/bench channels`.

use stoa_bench::{host, peers, report::Report, settlement, ticks, vouchers, Scale};

fn main() {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let quick = arguments.iter().any(|argument| argument == "--quick");
	let scale = if quick { Scale::quick() } else { Scale::full() };
	let mut report = Report::new("channels");
	let parts: [(&str, fn(&mut Report, &Scale)); 4] = [
		("vouchers", vouchers::measure),
		("ticks", ticks::measure),
		("peers", peers::measure),
		("settlement", settlement::measure),
	];
	// Some parts by name, or all.
	let some: Vec<_> =
		parts.iter().filter(|(name, _)| arguments.iter().any(|wanted| wanted == name)).collect();
	let all = some.is_empty();
	for (name, measure) in if all { parts.iter().collect() } else { some } {
		eprintln!("measuring {name}");
		measure(&mut report, &scale);
	}
	print!("{report}");
	// What is written down is complete.
	if all && !quick {
		report.write(&host::describe());
	}
	std::process::exit(i32::from(report.missed() > 0));
}
