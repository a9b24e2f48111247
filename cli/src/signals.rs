//! The end of a command that runs until it is told to stop.

use crate::output::Failure;

/// Ends when the process is told to stop: Ctrl-C, or SIGTERM.
///
/// # Errors
///
/// When the system does not let signals be watched.
pub async fn stopped() -> Result<(), Failure> {
	let cannot = |error: std::io::Error| {
		Failure::new(format!("signals cannot be watched: {error}"), "report this as a bug")
	};
	#[cfg(unix)]
	{
		use tokio::signal::unix::{signal, SignalKind};
		let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
		tokio::select! {
			interrupted = tokio::signal::ctrl_c() => interrupted.map_err(cannot),
			_ = terminate.recv() => Ok(()),
		}
	}
	#[cfg(not(unix))]
	tokio::signal::ctrl_c().await.map_err(cannot)
}
