// Runs code that came by descriptor 4 as a CommonJS module in the workspace, and its handler, if it defines one. What
// the handler returns goes to descriptor 3 as JSON, what went wrong as "!" and a line of text.
(() => {
	const fs = require('fs');
	const Module = require('module');
	const path = require('path');
	const data = fs.readFileSync(4);
	fs.closeSync(4);
	const end = data.indexOf(10);
	const head = data.toString('latin1', 0, end).split(' ');
	const codeEnd = end + 1 + Number(head[0]);
	const source = data.toString('utf8', end + 1, codeEnd).replace(/^\ufeff/, '').replace(/^#!/, '//');
	const eventText = data.toString('utf8', codeEnd, codeEnd + Number(head[1]));
	const deadlineUs = BigInt(head[3]);
	const context = {
		execution_id: head[4],
		attempt: Number(head[2]),
		get remaining_time_ms() {
			const left = (deadlineUs - process.hrtime.bigint() / 1000n) / 1000n;
			return left > 0n ? Number(left) : 0;
		},
	};

	const send = (text) => {
		const bytes = Buffer.from(text);
		for (let at = 0; at < bytes.length;) at += fs.writeSync(3, bytes, at);
	};
	const sendError = (error) => {
		const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
		try {
			send(Buffer.from('!' + text).subarray(0, 4097));
		} catch {
			// The executor says what it knows.
		}
	};
	// Node itself prints what nobody caught, and exits with 1.
	process.on('uncaughtExceptionMonitor', sendError);

	const fail = (text) => {
		process.stderr.write(text + '\n');
		sendError(text);
		process.exit(1);
	};
	const refuse = (value, item, kind) => {
		if (item === value) fail(`return value of type '${kind}' is not JSON serialisable`);
		fail(`return value is not JSON serialisable: it holds a value of type '${kind}'`);
	};
	const tooDeep = (value) => {
		let level = value !== null && typeof value === 'object' ? [value] : [];
		for (let depth = 0; level.length; depth++) {
			if (depth >= 64) return true;
			level = level.flatMap((holder) => Object.values(holder).filter((v) => v !== null && typeof v === 'object'));
		}
		return false;
	};
	const sendReturn = (value) => {
		let text;
		if (value === undefined) return;
		try {
			text = JSON.stringify(value, (key, item) => {
				if (['function', 'symbol', 'bigint'].includes(typeof item)) refuse(value, item, typeof item);
				for (const kind of [Map, Set, WeakMap, WeakSet])
					if (item instanceof kind) refuse(value, item, kind.name);
				return item;
			});
		} catch (error) {
			fail(`return value is not JSON serialisable: ${error.message.split('\n')[0]}`);
		}
		if (text === undefined) return;
		if (Buffer.byteLength(text) > 1 << 20) fail('return value is larger than 1 MiB');
		if (tooDeep(JSON.parse(text))) fail('return value is nested deeper than 64');
		send(text);
	};

	const finish = (exported) => {
		const handler = exported && (typeof exported.handler === 'function' ? exported.handler : undefined);
		if (!handler) return;
		const value = handler(eventText ? JSON.parse(eventText) : null, context);
		if (!value || typeof value.then !== 'function') {
			sendReturn(value);
			return;
		}
		let settled = false;
		process.on('exit', (code) => {
			if (settled || code) return;
			process.stderr.write('the promise that the handler returned never settled\n');
			sendError('the promise that the handler returned never settled');
			process.exitCode = 1;
		});
		Promise.resolve(value).then(
			(result) => {
				settled = true;
				sendReturn(result);
			},
			(error) => {
				settled = true;
				throw error;
			},
		);
	};

	// A handler that is only declared, not exported, is found all the same; no line of the code moves.
	const tail = '\n;if (typeof handler === "function" && module.exports && module.exports.handler === undefined)' +
		' try { module.exports.handler = handler; } catch {}';
	const file = path.join(process.cwd(), '<code>');
	const main = new Module(file, null);
	main.filename = file;
	main.paths = Module._nodeModulePaths(process.cwd());
	process.mainModule = main;
	process.argv[1] = file;

	let isModule = false;
	try {
		new (require('vm').Script)(Module.wrap(source + tail), { filename: file });
	} catch (error) {
		isModule = /import|export|await is only valid/.test(error.message) && /^\s*(import|export)\b|\bawait\b/m.test(source);
	}
	if (isModule) {
		// Modules that it imports are the built-in ones: a data: URL has no folder.
		const url = 'data:text/javascript;base64,' + Buffer.from(source + '\n//# sourceURL=' + file).toString('base64');
		import(url).then((exported) => finish(exported.default && !exported.handler ? exported.default : exported));
		return;
	}
	main._compile(source + tail, file);
	main.loaded = true;
	finish(main.exports);
})();
