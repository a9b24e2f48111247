// CPU time that mppx, an implementation of the Machine Payments Protocol for Node.js, takes to verify a
// voucher of its own, with a secp256k1 key. Prints JSON.
//
//   node mppx.js [seconds to measure for]

import { readFileSync } from 'node:fs';
import { Session } from 'mppx/tempo';
import { privateKeyToAccount } from 'viem/accounts';

const { Constants, Voucher } = Session.Precompile;
const contract = Constants.tip20ChannelEscrow;
const chain = 4217;
const account = privateKeyToAccount(`0x${'01'.repeat(32)}`);
const client = { chain: { id: chain } };

const vouchers = [];
for (let i = 1n; i <= 16n; i++) {
	const voucher = { channelId: `0x${'07'.repeat(32)}`, cumulativeAmount: 100n * i };
	const signature = await Voucher.signVoucher(client, account, voucher, contract, chain);
	vouchers.push({ ...voucher, signature });
}
const verify = (voucher) => Voucher.verifyVoucher(contract, chain, voucher, account.address);
if (!vouchers.every(verify)) throw new Error('a genuine voucher is refused');
if (verify({ ...vouchers[0], cumulativeAmount: 1n })) throw new Error('a changed voucher is accepted');

/** Calls for so many seconds of CPU time, and what one of them took. */
function measure(seconds) {
	const start = process.cpuUsage();
	for (let count = 0; ; ) {
		vouchers.forEach(verify);
		count += vouchers.length;
		const { user, system } = process.cpuUsage(start);
		const spent = (user + system) / 1e6;
		if (spent >= seconds) return spent / count;
	}
}

const seconds = Number(process.argv[2] ?? 2);
// The first calls are slow, until the compiler has seen them.
measure(seconds / 4);
const { version } = JSON.parse(readFileSync(new URL('node_modules/mppx/package.json', import.meta.url)));
console.log(JSON.stringify({ version, node: process.version, seconds: measure(seconds) }));
