//! `stoa agent`.

use super::included;
use crate::{
	cli::{AddKey, Agent, Consent, DelegateKey, OneAgent, Register, ScopeName},
	context::Context,
	keys::{is_name, key_hex, parse_key, KeyPair},
	output::{Failure, Report},
	time::{parse_span, show_blocks, to_blocks, Clock},
};
use codec::{DecodeAll, Encode};
use serde_json::json;
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use std::fs;
use stoa_client::{
	chain::{calls, to_hex, At, Call, Chain},
	keys::{format_account, parse_account},
};
use stoa_primitives::{
	agent::{Manifest, Scope, Scopes, Status},
	keys::{verify_account, Key},
	payload::{Consent as Payload, Payload as _},
	referral::Referral,
	AccountId, BlockNumber,
};

/// How long a consent that this command makes and uses at once can be used: a minute is ample.
const OWN_CONSENT: BlockNumber = stoa_primitives::MINUTES;

/// An agent's consent to an operator: its signature, and the last block in which it can be used.
pub type Proof = (MultiSignature, BlockNumber);

/// Run a command of `stoa agent`.
///
/// # Errors
///
/// Those of keys, files and chain.
pub async fn run(context: &Context, command: &Agent) -> Result<Report, Failure> {
	match command {
		Agent::Register(args) => register(context, args).await,
		Agent::Consent(args) => consent(context, args).await,
		Agent::Show(args) => show(context, args).await,
		Agent::AddKey(args) => add_key(context, args).await,
		Agent::RemoveKey(of) => remove_key(context, of).await,
		Agent::Renew(args) => act(context, args, "Renewed the lease of", calls::renew).await,
		Agent::Pause(args) => act(context, args, "Paused", calls::pause).await,
		Agent::Resume(args) => act(context, args, "Resumed", calls::resume).await,
		Agent::Retire(args) => act(context, args, "Retired", calls::retire).await,
	}
}

async fn act(
	context: &Context,
	args: &OneAgent,
	done: &str,
	call: fn(AccountId) -> Call,
) -> Result<Report, Failure> {
	let key = context.key()?;
	let agent = context.account_or_own(args.agent.as_deref())?;
	let chain = context.chain().await?;
	let submitted = context.submit(&chain, &call(agent.clone()), &key).await?;
	let address = format_account(&agent);
	let report = Report::line(format!("{done} {address}.")).with("agent", address);
	Ok(included(context, &chain, report, &submitted).await)
}

/// All that a key may sign, with its name.
const SCOPES: [(ScopeName, Scope, &str); 3] = [
	(ScopeName::Offer, Scope::Offer, "offer"),
	(ScopeName::Voucher, Scope::Voucher, "voucher"),
	(ScopeName::Endorse, Scope::Endorse, "endorse"),
];

fn scopes(names: &[ScopeName]) -> Scopes {
	let named = SCOPES.into_iter().filter(|(name, ..)| names.contains(name));
	named.fold(Scopes::NONE, |all, (_, scope, _)| all.with(scope))
}

fn scope_names(scopes: Scopes) -> Vec<&'static str> {
	let known = SCOPES.into_iter().filter(|(_, scope, _)| scopes.contains(*scope));
	known.map(|(.., name)| name).collect()
}

/// The key that `text` names.
fn delegate(context: &Context, text: &str) -> Result<Key, Failure> {
	if let Some(key) = parse_key(text) {
		return Ok(key);
	}
	let pair = match text {
		path if path.starts_with("//") => Some(KeyPair::development(path)?),
		name if is_name(name) => context.ring().find(name)?,
		_ => None,
	};
	pair.map(|pair| pair.voucher.key()).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is neither a public key nor the name of a key"),
			"give it like ed25519:0x…, as `stoa keys show` prints it, or a name from `stoa keys list`",
		)
	})
}

async fn add_key(context: &Context, args: &AddKey) -> Result<Report, Failure> {
	let operator = context.key()?;
	let agent = context.account(&args.of.agent)?;
	let key = delegate(context, &args.of.delegate)?;
	let (scopes, blocks) = (scopes(&args.scope), to_blocks(parse_span(&args.valid)?));
	let chain = context.chain().await?;
	let clock = Clock::at(chain.block(At::Best).await?.number);
	let last = clock.after(blocks);
	let call = calls::add_key(agent.clone(), key, scopes, last);
	let submitted = context.submit(&chain, &call, &operator).await?;
	let report = Report::line("The key signs in the name of the agent.")
		.row("agent", "agent", format_account(&agent))
		.row("delegate key", "delegate", key_hex(&key))
		.shown("may sign", scope_names(scopes).join(", "))
		.with("scopes", scope_names(scopes))
		.shown("up to", clock.show(last))
		.with("last", last);
	Ok(included(context, &chain, report, &submitted).await)
}

async fn remove_key(context: &Context, of: &DelegateKey) -> Result<Report, Failure> {
	let operator = context.key()?;
	let agent = context.account(&of.agent)?;
	let key = delegate(context, &of.delegate)?;
	let chain = context.chain().await?;
	let call = calls::remove_key(agent.clone(), key);
	let submitted = context.submit(&chain, &call, &operator).await?;
	let report = Report::line("The key no longer signs in the name of the agent.")
		.row("agent", "agent", format_account(&agent))
		.row("delegate key", "delegate", key_hex(&key));
	Ok(included(context, &chain, report, &submitted).await)
}

async fn register(context: &Context, args: &Register) -> Result<Report, Failure> {
	let operator = context.key()?;
	let agent = context.account_or_own(args.agent.as_deref())?;
	let manifest = manifest(args)?;
	let referral = args.referral.as_deref().map(|text| referral(context, text)).transpose()?;
	let given = args.proof.as_deref().map(parse_proof).transpose()?;
	let chain = context.chain().await?;
	let proof = match given {
		_ if agent == operator.account_id() => None,
		Some(proof) => {
			check_proof(&chain, &agent, &operator.account_id(), &proof).await?;
			Some(proof)
		},
		None => match own_key(context, args, &agent)? {
			Some(key) => {
				Some(sign_consent(&chain, &key, &operator.account_id(), OWN_CONSENT).await?)
			},
			None => {
				return Err(Failure::new(
					format!("the key of {} is not on this machine", format_account(&agent)),
					format!(
						"have the agent run `stoa agent consent {}` and pass the result as --proof",
						operator.address()
					),
				))
			},
		},
	};
	let call = calls::register(agent.clone(), proof, manifest, referral);
	let submitted = context.submit(&chain, &call, &operator).await?;
	let report = Report::line(format!("Registered {}.", format_account(&agent)))
		.with("agent", format_account(&agent))
		.row("operator", "operator", operator.address());
	Ok(included(context, &chain, report, &submitted).await)
}

/// The agent's key, if it is on this machine.
fn own_key(
	context: &Context,
	args: &Register,
	agent: &AccountId,
) -> Result<Option<KeyPair>, Failure> {
	match args.agent.as_deref().filter(|text| text.starts_with("//")) {
		Some(path) => KeyPair::development(path).map(Some),
		None => context.ring().of_account(agent),
	}
}

/// The manifest that the arguments describe; that of an agent without a description is empty.
fn manifest(args: &Register) -> Result<Manifest, Failure> {
	let digest = match &args.manifest_file {
		Some(path) => blake2_256(&fs::read(path).map_err(|error| {
			Failure::new(
				format!("the manifest {} cannot be read: {error}", path.display()),
				"name the file that the agent is described in",
			)
		})?),
		None => [0; 32],
	};
	make_manifest(digest, &args.manifest_uri)
}

/// A manifest.
///
/// # Errors
///
/// When the URI is longer than a record holds.
pub fn make_manifest(digest: [u8; 32], uri: &str) -> Result<Manifest, Failure> {
	let uri = uri.as_bytes().to_vec().try_into().map_err(|_| {
		Failure::new("the manifest's URI is longer than 256 bytes", "use a shorter one")
	})?;
	Ok(Manifest { digest, uri })
}

/// Who brought an agent: addresses are longer than any code.
fn referral(context: &Context, text: &str) -> Result<Referral, Failure> {
	match parse_account(text) {
		Ok(account) => Ok(Referral::Account(account)),
		Err(_) if text.starts_with("//") => context.account(text).map(Referral::Account),
		Err(_) => super::referral::parse_code(text).map(Referral::Code),
	}
}

/// The consent of `key` to `operator`, which can be used in the next `blocks` blocks.
///
/// # Errors
///
/// When the node cannot be asked for its best block.
pub async fn sign_consent(
	chain: &Chain,
	key: &KeyPair,
	operator: &AccountId,
	blocks: BlockNumber,
) -> Result<Proof, Failure> {
	let best = chain.block(At::Best).await?;
	let expires = best.number.saturating_add(blocks);
	Ok((key.account.consent(&chain.agent_domain(), operator, expires), expires))
}

async fn consent(context: &Context, args: &Consent) -> Result<Report, Failure> {
	let key = context.key()?;
	let operator = context.account(&args.operator)?;
	let blocks = to_blocks(parse_span(&args.valid)?);
	let chain = context.chain().await?;
	let longest = chain.max_consent_age().await?;
	if blocks > longest {
		return Err(Failure::new(
			format!("the chain takes no consent for longer than {}", show_blocks(longest)),
			"choose a shorter time with --valid",
		));
	}
	let proof = sign_consent(&chain, &key, &operator, blocks).await?;
	let text = show_proof(&proof);
	// The proof alone on its line, so that it can be copied or piped.
	let report = Report::line(text.clone());
	Ok(report
		.with("proof", text)
		.with("agent", key.address())
		.with("operator", format_account(&operator))
		.with("expires", proof.1))
}

/// A consent as text: the hex of the SCALE encoding that the chain takes.
pub fn show_proof(proof: &Proof) -> String {
	format!("0x{}", hex::encode(proof.encode()))
}

/// The inverse of [`show_proof`].
///
/// # Errors
///
/// When `text` is something else.
pub fn parse_proof(text: &str) -> Result<Proof, Failure> {
	let text = text.trim();
	hex::decode(text.strip_prefix("0x").unwrap_or(text))
		.ok()
		.and_then(|bytes| Proof::decode_all(&mut bytes.as_slice()).ok())
		.ok_or_else(|| {
			Failure::new(
				"the proof is not a signed consent",
				"pass what `stoa agent consent` printed, all of it",
			)
		})
}

/// Refuse a consent that the chain would refuse, before a fee is paid for it.
async fn check_proof(
	chain: &Chain,
	agent: &AccountId,
	operator: &AccountId,
	(signature, expires): &Proof,
) -> Result<(), Failure> {
	let best = chain.block(At::Best).await?;
	if best.number > *expires {
		return Err(Failure::new(
			format!(
				"the consent could be used up to block {expires}, now is block {}",
				best.number
			),
			"have the agent sign a new one",
		));
	}
	let (left, longest) = (expires.saturating_sub(best.number), chain.max_consent_age().await?);
	if left > longest {
		return Err(Failure::new(
			format!(
				"the consent can be used for {}, the chain takes none for longer than {}",
				show_blocks(left),
				show_blocks(longest)
			),
			"have the agent sign one for a shorter time",
		));
	}
	let payload = Payload { operator: operator.clone(), agent: agent.clone(), expires: *expires };
	match verify_account(agent, &payload.to_bytes(&chain.agent_domain()), signature) {
		true => Ok(()),
		false => Err(Failure::new(
			format!(
				"the proof is not the consent of {} to be operated by {} on this chain",
				format_account(agent),
				format_account(operator)
			),
			"have the agent sign for this operator, with a node of this chain",
		)),
	}
}

async fn show(context: &Context, args: &OneAgent) -> Result<Report, Failure> {
	let agent = context.account_or_own(args.agent.as_deref())?;
	let address = format_account(&agent);
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let info = chain.agent(&agent, At::Hash(block.hash)).await?.ok_or_else(|| {
		Failure::new(
			format!("{address} is no registered agent"),
			"register it with `stoa agent register`",
		)
	})?;
	let status = match info.status {
		Status::Active if !info.active => "lapsed: its operator can renew the lease",
		Status::Active => "active",
		Status::Paused => "paused by its operator",
		Status::Suspended => "suspended by governance",
		Status::Retired => "retired",
	};
	let lease = match info.lease_until.checked_sub(block.number) {
		Some(left) => format!("block {}, in {}", info.lease_until, show_blocks(left)),
		None => format!("block {}, over", info.lease_until),
	};
	let mut report = Report::line(format!("Agent {address}"))
		.with("agent", address)
		.row("status", "status", status)
		.with("active", info.active)
		.row("operator", "operator", format_account(&info.operator))
		.row("lease until", "lease", lease)
		.with("lease_until", info.lease_until)
		.with("epoch", info.epoch);
	if let Some(manifest) = info.manifest.filter(|manifest| !manifest.uri.is_empty()) {
		report = report
			.row("manifest", "manifest_uri", String::from_utf8_lossy(&manifest.uri))
			.row("its digest", "manifest_digest", to_hex(manifest.digest));
	}
	if let Some(to) = &info.transfer_to {
		report = report.row("offered to", "transfer_to", format_account(to));
	}
	let clock = Clock::at(block.number);
	let mut keys = Vec::new();
	for key in chain.delegate_keys(&agent, At::Hash(block.hash)).await? {
		let (hex, names) = (key_hex(&key.key), scope_names(key.scopes));
		let until = match key.last < block.number {
			true => format!("expired in block {}", key.last),
			false => format!("up to {}", clock.show(key.last)),
		};
		report = report
			.shown("delegate key", &hex)
			.shown("", format!("signs {}, {until}", names.join(", ")));
		keys.push(json!({
			"delegate": hex,
			"scopes": names,
			"last": key.last,
			"expired": key.last < block.number,
		}));
	}
	Ok(report.with("keys", keys))
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_primitives::{payload::Domain, H256};

	#[test]
	fn proofs_should_survive_their_text() {
		let key = KeyPair::development("//Alice").unwrap();
		let domain = Domain::agents(H256::repeat_byte(1));
		let proof = (key.account.consent(&domain, &AccountId::new([2; 32]), 7), 7);
		let text = show_proof(&proof);
		assert_eq!(parse_proof(&text).unwrap(), proof);
		assert_eq!(parse_proof(&format!(" {text}\n")).unwrap(), proof);
		for bad in ["", "0x", "zz", &text[..text.len() - 2], &format!("{text}00")] {
			assert!(parse_proof(bad).is_err(), "{bad}");
		}
	}

	#[test]
	fn manifests_should_be_refused_when_their_uri_is_too_long() {
		assert_eq!(make_manifest([1; 32], "https://x").unwrap().uri.to_vec(), b"https://x");
		assert!(make_manifest([0; 32], &"x".repeat(257)).is_err());
	}
}
