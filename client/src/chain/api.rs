//! What the runtime's metadata generates. Types of [`stoa_primitives`] stand in for their generated
//! twins, so that nothing has to be converted.

#[subxt::subxt(
	runtime_metadata_path = "metadata.scale",
	substitute_type(
		path = "sp_core::crypto::AccountId32",
		with = "::subxt::utils::Static<::stoa_primitives::AccountId>"
	),
	substitute_type(
		path = "sp_runtime::MultiSignature",
		with = "::subxt::utils::Static<::sp_runtime::MultiSignature>"
	),
	substitute_type(
		path = "frame_support::traits::tokens::fungible::union_of::NativeOrWithId<A>",
		with = "::subxt::utils::Static<::stoa_primitives::NativeOrWithId<A>>"
	),
	substitute_type(
		path = "stoa_primitives::agent::Manifest",
		with = "::subxt::utils::Static<::stoa_primitives::agent::Manifest>"
	),
	substitute_type(
		path = "stoa_primitives::agent::Status",
		with = "::subxt::utils::Static<::stoa_primitives::agent::Status>"
	),
	substitute_type(
		path = "stoa_primitives::channel::Cap",
		with = "::subxt::utils::Static<::stoa_primitives::channel::Cap>"
	),
	substitute_type(
		path = "stoa_primitives::channel::CapState",
		with = "::subxt::utils::Static<::stoa_primitives::channel::CapState>"
	),
	substitute_type(
		path = "stoa_primitives::channel::Item",
		with = "::subxt::utils::Static<::stoa_primitives::channel::Item>"
	),
	substitute_type(
		path = "stoa_primitives::channel::SkipReason",
		with = "::subxt::utils::Static<::stoa_primitives::channel::SkipReason>"
	),
	substitute_type(
		path = "stoa_primitives::keys::AgentSignature",
		with = "::subxt::utils::Static<::stoa_primitives::keys::AgentSignature>"
	),
	substitute_type(
		path = "stoa_primitives::keys::Key",
		with = "::subxt::utils::Static<::stoa_primitives::keys::Key>"
	),
	substitute_type(
		path = "stoa_primitives::money::Schedule",
		with = "::subxt::utils::Static<::stoa_primitives::money::Schedule>"
	),
	substitute_type(
		path = "stoa_primitives::money::Shares",
		with = "::subxt::utils::Static<::stoa_primitives::money::Shares>"
	),
	substitute_type(
		path = "stoa_primitives::money::Source",
		with = "::subxt::utils::Static<::stoa_primitives::money::Source>"
	),
	substitute_type(
		path = "stoa_primitives::referral::Referral",
		with = "::subxt::utils::Static<::stoa_primitives::referral::Referral>"
	)
)]
pub mod runtime {}

pub use runtime::*;
