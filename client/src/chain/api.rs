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
		path = "stoa_primitives::agent::Scopes",
		with = "::subxt::utils::Static<::stoa_primitives::agent::Scopes>"
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
		path = "stoa_primitives::agreement::course::AgreementView",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::AgreementView>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Deadlines",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Deadlines>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Ending",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Ending>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::EndReason",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::EndReason>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::Evidence",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Evidence>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Kpis",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Kpis>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::Offer",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Offer>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Outcome",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Outcome>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Quote",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Quote>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::Side",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Side>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::StandingView",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::StandingView>"
	),
	substitute_type(
		path = "stoa_primitives::agreement::course::Sums",
		with = "::subxt::utils::Static<::stoa_primitives::agreement::Sums>"
	),
	substitute_type(
		path = "stoa_primitives::payload::CancelConsent",
		with = "::subxt::utils::Static<::stoa_primitives::payload::CancelConsent>"
	),
	substitute_type(
		path = "stoa_primitives::payload::ExtendConsent",
		with = "::subxt::utils::Static<::stoa_primitives::payload::ExtendConsent>"
	),
	substitute_type(
		path = "sp_arithmetic::per_things::Permill",
		with = "::subxt::utils::Static<::sp_runtime::Permill>"
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
