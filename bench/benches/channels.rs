//! Channels against their budgets: `scripts/bench channels`.

use stoa_bench::{host, peers, report::Report, settlement, ticks, vouchers, Scale};

fn main() {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let quick = arguments.iter().any(|argument| argument == "--quick");
	let scale = if quick { Scale::quick() } else { Scale::full() };
	let mut report = Report::new("channels");
	for measure in [vouchers::measure, ticks::measure, peers::measure, settlement::measure] {
		measure(&mut report, &scale);
	}
	print!("{report}");
	// A quick run is for whoever waits for it.
	if !quick {
		report.write(&host::describe());
	}
	std::process::exit(i32::from(report.missed() > 0));
}
