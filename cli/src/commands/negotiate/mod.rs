//! `stoa negotiate`.

mod profile;
mod talk;
mod transcripts;
mod verify;

pub use transcripts::{kept, open};

use crate::{
	cli::Negotiate,
	context::Context,
	output::{Failure, Report},
};

/// Run a command of `stoa negotiate`. Returns what it has to say, and the failure of one that has come to nothing.
///
/// # Errors
///
/// Those of keys, files, stores and chain.
pub async fn run(
	context: &Context,
	command: &Negotiate,
) -> Result<(Report, Option<Failure>), Failure> {
	let report = match command {
		Negotiate::Buy(args) => return talk::buy(context, args).await,
		Negotiate::Sell(args) => talk::sell(context, args).await?,
		Negotiate::List => transcripts::list(context).await?,
		Negotiate::Show { negotiation } => transcripts::show(context, negotiation).await?,
		Negotiate::Offer { negotiation, round } => {
			transcripts::offer(context, negotiation, *round).await?
		},
		Negotiate::Export { negotiation } => transcripts::export(context, negotiation).await?,
		Negotiate::Verify(args) => verify::verify(context, args).await?,
	};
	Ok((report, None))
}
