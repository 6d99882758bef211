// An OpenID provider on loopback for tests: oidc-provider, with sign-in by name and a journal of what was asked of it.
//
//   node tests/real/idp/provider.mjs < configuration.json
//
// prints {"port": N, "admin": N} once it listens. The keys of the configuration are those of `tests.real.idp.Idp`. On the
// port `admin`: GET /journal; GET /secrets; PUT /switches {hold, status, reroute, accepting}; PUT /keys {keys: [JWK, …]}.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { registerGrants } from './grants.mjs';
import { Provider } from './load.mjs';
import { interactions } from './pages.mjs';
import { configuration, resources } from './settings.mjs';
import { Storage } from './storage.mjs';

// Standard output is for the announcement alone.
console.info = console.warn = console.error;

const HOST = '127.0.0.1';
const SECRETS = ['code', 'refresh_token', 'subject_token', 'assertion', 'token'];
const SHOWN = ['grant_type', 'resource', 'audience', 'scope', 'requested_token_type'];
const KEPT = [...SECRETS, 'code_verifier', 'client_secret', 'state', 'nonce', 'actor_token', 'device_code'];
const GIVEN = ['access_token', 'refresh_token', 'id_token', 'client_secret', 'registration_access_token', 'device_code'];
const digest = (text) => createHash('sha256').update(text).digest('hex');

const config = JSON.parse(readFileSync(0, 'utf8'));
const storage = new Storage();
const server = resources(config);
const interact = interactions(config);
const journal = [];
// What came and was given, in the clear and by kind: for tests that look for it where it must not be.
const secrets = {};
// hold: answers of the token endpoint wait. status: the token endpoint answers this at once, and does nothing.
const switches = { hold: false, status: 0, reroute: {}, accepting: true };
let released = () => {};
let gate = Promise.resolve();
let handle;

function serveWith(issuer, jwks) {
  const provider = new Provider(issuer, configuration({ ...config, jwks }, { adapter: storage.adapter, server, switches }));
  registerGrants(provider, { jwks, trusts: config.trusts, clients: config.clients, server });
  provider.use(noted);
  const callback = provider.callback();
  handle = async (request, response) => {
    const url = new URL(request.url, issuer);
    if (url.pathname.startsWith('/interaction/')) {
      const form = request.method === 'POST' ? new URLSearchParams(await read(request)) : null;
      await interact(provider, request, response, form);
      return;
    }
    if (url.pathname === '/auth' && !url.searchParams.has('scope') && url.searchParams.has('resource')) {
      // RFC 6749, section 3.3: who asks for no scope gets the predefined ones.
      url.searchParams.set('scope', server(url.searchParams.get('resource')).base.join(' '));
      request.url = url.pathname + url.search;
    }
    await callback(request, response);
  };
}

// Writes down every request. What a token endpoint did stands in the journal before its answer leaves.
async function noted(ctx, next) {
  const entry = { method: ctx.method, path: ctx.path };
  if (ctx.path === '/token' && switches.status) {
    journal.push({ ...entry, status: switches.status });
    ctx.status = switches.status;
    return;
  }
  await next();
  const params = ctx.oidc?.params ?? {};
  for (const [source, names] of [[params, KEPT], [ctx.body, GIVEN]]) {
    for (const name of names) if (typeof source?.[name] === 'string') (secrets[name] ??= []).push(source[name]);
  }
  entry.status = ctx.status;
  entry.client_id = ctx.oidc?.client?.clientId;
  entry.error = ctx.body?.error;
  for (const name of SHOWN) entry[name] = params[name];
  for (const name of SECRETS) if (typeof params[name] === 'string') entry[name] = digest(params[name]);
  for (const name of ['access_token', 'refresh_token']) {
    if (typeof ctx.body?.[name] === 'string') entry[`issued_${name}`] = digest(ctx.body[name]);
  }
  journal.push(entry);
  if (ctx.path === '/token') await gate;
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function listen(listener, port) {
  return new Promise((done) => listener.listen(port, HOST, () => done(listener.address().port)));
}

const front = createServer((request, response) => {
  handle(request, response).catch((error) => {
    const known = error.status ?? error.statusCode;
    if (!known) console.error(error);
    if (!response.headersSent) response.writeHead(known ?? 500, { 'content-type': 'text/plain' });
    response.end(known ? String(error.message) : '');
  });
});

const admin = createServer(async (request, response) => {
  const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  if (request.method === 'GET' && request.url === '/journal') return answer(200, journal);
  if (request.method === 'GET' && request.url === '/secrets') return answer(200, secrets);
  const body = JSON.parse((await read(request)) || 'null');
  if (request.method === 'PUT' && request.url === '/keys') {
    serveWith(issuer, body);
    return answer(200, {});
  }
  if (request.method === 'PUT' && request.url === '/switches') {
    await turn(body);
    return answer(200, switches);
  }
  return answer(404, {});
});

async function turn(wanted) {
  const before = { ...switches };
  Object.assign(switches, wanted);
  if (switches.hold && !before.hold) gate = new Promise((release) => { released = release; });
  if (!switches.hold && before.hold) {
    released();
    gate = Promise.resolve();
  }
  if (before.accepting && !switches.accepting) {
    front.closeAllConnections();
    await new Promise((done) => front.close(done));
  }
  if (!before.accepting && switches.accepting) await listen(front, port);
}

const port = await listen(front, config.port);
const issuer = `http://${HOST}:${port}`;
serveWith(issuer, config.jwks);
console.log(JSON.stringify({ port, admin: await listen(admin, 0) }));
