//! Conformance vectors: every byte that is signed, hashed or encoded off chain, for whoever speaks to
//! Stoa from another language. `docs/vectors.md` says what is in the files of `tests/vectors`.
//!
//! Each test produces a file from the code that chain and client share, makes sure on the way that this
//! code accepts what is listed as valid and refuses the rest, and compares the outcome with what is
//! committed. With `STOA_WRITE_VECTORS` it writes what differs instead: `scripts/vectors`.

mod edges;
mod forged;
mod ids;
mod items;
mod json;
mod offers;
mod payloads;
mod samples;
mod signers;
mod ticks;

use stoa_primitives::payload::{
	CancelConsent, CloseConsent, Consent, ExtendConsent, OpenAuth, Receipt, TickCommit, Voucher,
};

macro_rules! vectors {
	($($test:ident: $file:literal = $produce:expr;)*) => {
		$(
			#[test]
			fn $test() {
				json::agree($file, &$produce);
			}
		)*
	};
}

vectors! {
	domains_should_agree: "domains" = ids::domains();
	channel_ids_should_agree: "channel-ids" = ids::channels();
	keys_should_agree: "keys" = signers::file();
	vouchers_should_agree: "voucher" = payloads::file::<Voucher>();
	tick_commitments_should_agree: "tick-commit" = payloads::file::<TickCommit>();
	open_authorizations_should_agree: "open-auth" = payloads::file::<OpenAuth>();
	close_consents_should_agree: "close-consent" = payloads::file::<CloseConsent>();
	receipts_should_agree: "receipt" = payloads::file::<Receipt>();
	consents_should_agree: "consent" = payloads::file::<Consent>();
	cancel_consents_should_agree: "cancel-consent" = payloads::file::<CancelConsent>();
	extend_consents_should_agree: "extend-consent" = payloads::file::<ExtendConsent>();
	offers_should_agree: "offers" = offers::file();
	inquiries_should_agree: "inquiry" = payloads::inquiries();
	hash_chains_should_agree: "ticks" = ticks::file();
	items_should_agree: "items" = items::file();
	edge_cases_of_signatures_should_agree: "edges" = edges::file();
}
