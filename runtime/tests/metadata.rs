//! The client's types are generated from `client/metadata.scale`; it must be the runtime's.
//!
//! After a change of the runtime's interface run `scripts/metadata`, then build again.

use std::path::Path;

#[test]
fn client_metadata_should_be_that_of_the_runtime() {
	let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/metadata.scale");
	// Metadata holds what absent storage values read as, so it is made where there is storage.
	let runtime = sp_io::TestExternalities::default()
		.execute_with(|| stoa_runtime::Runtime::metadata_at_version(16))
		.expect("the runtime has metadata of version 16");
	let bytes: &[u8] = &runtime;
	if std::env::var_os("STOA_WRITE_METADATA").is_some() {
		std::fs::write(&path, bytes).expect("the checkout can be written");
	}
	let committed = std::fs::read(&path).unwrap_or_default();
	assert!(
		committed == bytes,
		"client/metadata.scale is not that of the runtime: write it as the head of this file says",
	);
}
