//! The crate's README speaks of every call.

use super::*;
use frame_support::traits::GetCallName;

#[test]
fn the_readme_should_list_all_calls_in_order() {
	let text = include_str!("../../README.md");
	let listed: Vec<_> = text
		.lines()
		.filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
		.map(|(name, _)| name)
		.collect();
	assert_eq!(listed, Call::<Test>::get_call_names());
}
