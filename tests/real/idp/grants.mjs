// Grants that oidc-provider leaves to its user: token exchange (RFC 8693) with an actor, the ID-JAG as one of the token
// types asked for, and the jwt-bearer grant (RFC 7523) that turns an ID-JAG of a trusted issuer into an access token.
import { randomUUID } from 'node:crypto';

import { errors, jose } from './load.mjs';

const TYPE = 'urn:ietf:params:oauth:token-type:';
const ACCESS_TOKEN = `${TYPE}access_token`;
const ID_JAG = `${TYPE}id-jag`;
const SUBJECTS = new Set([ACCESS_TOKEN, `${TYPE}jwt`, `${TYPE}id_token`]);
const JAG_SECONDS = 300;
const ACTORS = 8;

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export function registerGrants(provider, { jwks, trusts, server, clients }) {
  const own = jose.createLocalJWKSet({ keys: jwks.keys.map(({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use })) });
  const signing = new Map(clients.filter(({ jwks: keys }) => keys).map((one) => [one.client_id, jose.createLocalJWKSet(one.jwks)]));
  const foreign = new Map(trusts.map((issuer) => [issuer, jose.createRemoteJWKSet(new URL('/jwks', issuer))]));
  const minted = new Set();

  const verified = async (token, name) => {
    try {
      const { payload } = await jose.jwtVerify(token, own, { issuer: provider.issuer, requiredClaims: ['sub', 'exp'] });
      return payload;
    } catch (error) {
      throw new errors.InvalidRequest(`the ${name} is not a valid token of this server: ${error.code}`);
    }
  };

  const issue = async (ctx, { sub, resource, scope, act, gty }) => {
    const info = server(resource);
    const able = new Set(info.scope.split(' '));
    const asked = scope === undefined ? info.base : scope.split(' ').filter(Boolean);
    const lacking = asked.filter((name) => !able.has(name));
    if (lacking.length) throw new errors.InvalidScope('this resource has no such scope', lacking.join(' '));
    const token = new provider.AccessToken({ accountId: sub, client: ctx.oidc.client, gty });
    token.resourceServer = new provider.ResourceServer(resource, info);
    token.scope = asked.join(' ') || undefined;
    ctx.act = act;
    return {
      access_token: await token.save(),
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope: token.scope,
    };
  };

  const exchange = async (ctx) => {
    const { client, params } = ctx.oidc;
    if (!params.subject_token || !SUBJECTS.has(params.subject_token_type)) {
      throw new errors.InvalidRequest('subject_token and a supported subject_token_type are needed');
    }
    const subject = await verified(params.subject_token, 'subject token');
    const act = await chain(subject, params.actor_token, client);
    if (params.requested_token_type === ID_JAG) {
      ctx.body = await jag(ctx, subject, act);
      return;
    }
    if (params.requested_token_type !== undefined && params.requested_token_type !== ACCESS_TOKEN) {
      throw new errors.InvalidRequest('this type of token is not issued');
    }
    const resource = params.resource ?? params.audience;
    if (typeof resource !== 'string') throw new errors.InvalidTarget('one resource or audience is needed');
    const issued = await issue(ctx, { sub: subject.sub, resource, scope: params.scope, act, gty: 'token_exchange' });
    ctx.body = { ...issued, issued_token_type: ACCESS_TOKEN };
  };

  // An actor token is one of this server, or one that the client signs with the key it authenticates by.
  const acting = async (token, client) => {
    if (token === undefined) return client.clientId;
    const keys = signing.get(client.clientId);
    if (keys === undefined) return (await verified(token, 'actor token')).sub;
    const audience = [provider.issuer, provider.urlFor('token')];
    try {
      const { payload } = await jose.jwtVerify(token, keys, { issuer: client.clientId, audience, requiredClaims: ['sub', 'exp'] });
      return payload.sub;
    } catch (error) {
      throw new errors.InvalidRequest(`the actor token is not valid: ${error.code}`);
    }
  };

  // Who acts now is outermost, those who acted before are within (RFC 8693, section 4.1). The client that the subject
  // token was issued to acted first; the actor token's subject, or else the authenticated client, acts now.
  const chain = async (subject, actorToken, client) => {
    const sub = await acting(actorToken, client);
    const first = subject.client_id && subject.client_id !== sub ? { sub: subject.client_id } : undefined;
    const before = subject.act ?? first;
    const act = { sub, ...(before && { act: before }) };
    let depth = 0;
    for (let one = act; one; one = one.act) depth += 1;
    if (depth > ACTORS) throw new errors.InvalidRequest('too many actors');
    return act;
  };

  const jag = async (ctx, subject, act) => {
    const { client, params } = ctx.oidc;
    if (typeof params.audience !== 'string') throw new errors.InvalidTarget('an ID-JAG needs an audience');
    const [key] = jwks.keys;
    const claims = { client_id: client.clientId, resource: params.resource, scope: params.scope, email: subject.email, act };
    const token = await new jose.SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'oauth-id-jag+jwt' })
      .setIssuer(provider.issuer).setSubject(subject.sub).setAudience(params.audience)
      .setIssuedAt().setExpirationTime(`${JAG_SECONDS}s`).setJti(randomUUID())
      .sign(await jose.importJWK(key, 'RS256'));
    return { access_token: token, issued_token_type: ID_JAG, token_type: 'N_A', expires_in: JAG_SECONDS, scope: params.scope };
  };

  const bearer = async (ctx) => {
    const { client, params } = ctx.oidc;
    const { iss, jti } = decoded(params.assertion);
    if (!foreign.has(iss)) throw new errors.InvalidGrant('the assertion is of an issuer that is not trusted');
    let payload;
    try {
      ({ payload } = await jose.jwtVerify(params.assertion, foreign.get(iss), {
        issuer: iss, audience: provider.issuer, typ: 'oauth-id-jag+jwt', requiredClaims: ['sub', 'exp', 'jti', 'client_id'],
      }));
    } catch (error) {
      throw new errors.InvalidGrant(`the assertion is not valid: ${error.code}`);
    }
    if (payload.client_id !== client.clientId) throw new errors.InvalidGrant('the assertion is for another client');
    if (minted.has(jti)) throw new errors.InvalidGrant('the assertion was used before');
    minted.add(jti);
    const resource = params.resource ?? payload.resource;
    if (typeof resource !== 'string' || (payload.resource ?? resource) !== resource) {
      throw new errors.InvalidTarget('the assertion is for another resource');
    }
    ctx.body = await issue(ctx, {
      sub: payload.sub, resource, scope: params.scope ?? payload.scope, act: payload.act, gty: 'jwt_bearer',
    });
  };

  const names = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'];
  provider.registerGrantType(EXCHANGE, exchange, [...names, 'requested_token_type', 'audience', 'resource', 'scope']);
  provider.registerGrantType(JWT_BEARER, bearer, ['assertion', 'resource', 'scope']);
}

function decoded(token) {
  try {
    return jose.decodeJwt(token);
  } catch {
    throw new errors.InvalidGrant('the assertion is not a JWT');
  }
}
