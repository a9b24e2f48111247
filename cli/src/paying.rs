//! What a payer's commands share: its store, its channels with the keys that they name, and where its
//! sellers were found.

use crate::{
	context::{open_store, Context, STORE_PATIENCE},
	keys::{key_hex, private_dir, KeyPair},
	output::Failure,
};
use serde_json::{json, Value};
use std::{
	collections::BTreeMap,
	fs,
	io::{self, Write},
	path::{Path, PathBuf},
};
use stoa_client::{
	chain::{to_hex, At, Chain, ChannelInfo},
	http::address_of,
	keys::{format_account, parse_account},
	payer::{Payer, Policy},
};
use stoa_primitives::{channel::ChannelId, keys::Key, AccountId, BlockNumber};
use tempfile::NamedTempFile;

/// A payer of this machine.
pub struct Wallet<'a> {
	/// What signs.
	pub payer: Payer,
	/// The key, with the newest voucher key that any of its channels names.
	pub key: KeyPair,
	context: &'a Context,
	chain: &'a Chain,
	/// Channels that name a key which is none of this account's.
	locked: Vec<(ChannelId, Key)>,
}

impl<'a> Wallet<'a> {
	/// Open the store of `key`, made if it is not there, and make sure that it is for this chain.
	///
	/// # Errors
	///
	/// Those of the store and the chain.
	pub async fn open(
		context: &'a Context,
		chain: &'a Chain,
		key: KeyPair,
		policy: Policy,
	) -> Result<Self, Failure> {
		let path = context.payer_store(chain, &key.account_id());
		let store = open_store(&path, STORE_PATIENCE).await?;
		let payer = Payer::new(store, chain.genesis(), policy)?;
		// Before anything of the store is put right by what the chain says.
		payer.verify_chain(chain).await?;
		Ok(Self { payer, key, context, chain, locked: Vec::new() })
	}

	/// Bring what the store says of channels up to date, and forget those that have ended.
	///
	/// # Errors
	///
	/// Those of the store and the chain. A channel whose key is not here is passed over.
	pub async fn refresh(&mut self) -> Result<(), Failure> {
		let (chain, payer) = (self.chain, self.payer.clone());
		payer.note_block(chain.block(At::Best).await?.number);
		let finalized = chain.block(At::Finalized).await?;
		for channel in payer.channels() {
			let id = channel.id;
			let is_final = chain.channel(&id, At::Hash(finalized.hash)).await?.is_some();
			let seen = is_final.then_some(finalized.number);
			match chain.channel(&id, At::Best).await? {
				Some(info) => {
					self.take_over(&info, seen).await?;
				},
				None if is_final => payer.observe(&id, None),
				None if payer.observe_gone(&id, finalized.number) => {
					payer.remove_channel(&id).await?
				},
				None => {},
			}
		}
		Ok(())
	}

	/// Remember what the chain says of a channel, with the key that it names. `seen` is a final block that
	/// has it, if one is known. Returns whether the key is one of this account's; if not, the channel is
	/// passed over by payments.
	///
	/// # Errors
	///
	/// Those of the store.
	pub async fn take_over(
		&mut self,
		info: &ChannelInfo,
		seen: Option<BlockNumber>,
	) -> Result<bool, Failure> {
		let Some((number, voucher)) = self.key.vouchers.find(&info.key) else {
			self.payer.observe(&info.id, None);
			if self.locked.iter().all(|(id, _)| *id != info.id) {
				self.context.progress(&format!("passing over {}", unknown_key(info)));
				self.locked.push((info.id, info.key));
			}
			return Ok(false);
		};
		self.learn(number)?;
		match seen {
			Some(seen) => self.payer.add_final_channel(info, voucher, seen).await?,
			None => self.payer.add_channel(info, voucher).await?,
		}
		Ok(true)
	}

	/// Remember a channel of this account as it is in the last final block, which has it. Returns `false`
	/// when it does not, or the channel's key is not here.
	///
	/// # Errors
	///
	/// Those of the store and the chain.
	pub async fn take_over_final(&mut self, id: &ChannelId) -> Result<bool, Failure> {
		let finalized = self.chain.block(At::Finalized).await?;
		match self.chain.channel(id, At::Hash(finalized.hash)).await? {
			Some(info) => self.take_over(&info, Some(finalized.number)).await,
			None => Ok(false),
		}
	}

	/// A voucher key is in use: new channels name none that is older.
	///
	/// # Errors
	///
	/// When that cannot be written down.
	pub fn learn(&mut self, number: u32) -> Result<(), Failure> {
		if number > self.key.vouchers.newest() {
			self.key = self.context.ring().use_voucher(&self.key, number)?;
		}
		Ok(())
	}

	/// The channels that were passed over, for programs; `None` if there are none.
	pub fn passed_over(&self) -> Option<Value> {
		let locked = self.locked.iter();
		let locked: Vec<_> = locked
			.map(|(id, key)| json!({ "channel": to_hex(id), "voucher_key": key_hex(key) }))
			.collect();
		(!locked.is_empty()).then(|| locked.into())
	}

	/// Where sellers of this account were found.
	pub fn sellers(&self) -> Sellers {
		Sellers::of(self.context, self.chain, &self.key.account_id())
	}
}

/// What is said of a channel whose voucher key is not here.
pub fn unknown_key(info: &ChannelInfo) -> String {
	format!(
		"channel {}: its voucher key {} is none of this account's",
		to_hex(info.id),
		key_hex(&info.key)
	)
}

/// Where the sellers that an account has paid were found: an address is no secret and no money, so that a
/// file which is lost or damaged costs one more argument.
pub struct Sellers {
	path: PathBuf,
	known: BTreeMap<String, String>,
}

impl Sellers {
	/// Those that `account` has paid on `chain`.
	pub fn of(context: &Context, chain: &Chain, account: &AccountId) -> Self {
		Self::read(context.sellers_file(chain, account))
	}

	fn read(path: PathBuf) -> Self {
		let text = fs::read_to_string(&path).unwrap_or_default();
		let known = serde_json::from_str(&text).unwrap_or_default();
		Self { path, known }
	}

	/// The address of a seller.
	pub fn find(&self, seller: &AccountId) -> Option<&str> {
		self.known.get(&format_account(seller)).map(String::as_str)
	}

	/// All sellers.
	pub fn all(&self) -> impl Iterator<Item = (AccountId, String)> + '_ {
		let known = self.known.iter();
		known.filter_map(|(seller, url)| Some((parse_account(seller).ok()?, url.clone())))
	}

	/// Remember where a seller was found. That it cannot be written down must not fail a call.
	pub fn remember(&mut self, seller: &AccountId, url: &str) {
		let Ok(origin) = address_of(url) else { return };
		if self.find(seller) == Some(origin.as_str()) {
			return;
		}
		self.known.insert(format_account(seller), origin);
		if let Err(error) = write(&self.path, &self.known) {
			tracing::warn!(%error, path = %self.path.display(), "a seller's address was not kept");
		}
	}
}

fn write(path: &Path, known: &BTreeMap<String, String>) -> io::Result<()> {
	let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
	private_dir(dir)?;
	let mut file = NamedTempFile::new_in(dir)?;
	file.write_all(&serde_json::to_vec_pretty(known).map_err(io::Error::other)?)?;
	file.persist(path).map_err(|error| error.error)?;
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn sellers_should_be_found_again_where_they_were_last() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("stores/x.sellers.json");
		let seller = AccountId::new([1; 32]);
		let mut sellers = Sellers::read(path.clone());
		assert_eq!(sellers.find(&seller), None);
		sellers.remember(&seller, "http://127.0.0.1:1/a");
		sellers.remember(&seller, "http://127.0.0.1:2/b");
		let again = Sellers::read(path.clone());
		assert_eq!(again.find(&seller), Some("http://127.0.0.1:2"));
		assert_eq!(again.all().collect::<Vec<_>>(), [(seller, "http://127.0.0.1:2".into())]);
		fs::write(&path, "damaged").unwrap();
		assert_eq!(Sellers::read(path).all().count(), 0);
	}
}
