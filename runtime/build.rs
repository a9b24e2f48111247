//! Builds the runtime for Wasm.

fn main() {
	#[cfg(feature = "std")]
	{
		// Scripts build the workspace with clippy's driver; the Wasm is made by the plain compiler.
		std::env::remove_var("RUSTC_WORKSPACE_WRAPPER");
		let builder = substrate_wasm_builder::WasmBuilder::init_with_defaults()
			// The Wasm profile does not inherit the workspace's: without this, arithmetic that
			// overflows would stop a native test and wrap on chain.
			.append_to_rust_flags("-C overflow-checks=on");
		#[cfg(feature = "metadata-hash")]
		let builder = builder.enable_metadata_hash("STOA", 12);
		builder.build();
	}
}
