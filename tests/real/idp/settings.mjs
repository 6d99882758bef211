// How oidc-provider is set up: everything that an MCP client, a browser and a gateway may want of an identity provider.
import { errors } from './load.mjs';
import { device } from './pages.mjs';

// What is known of a resource: its scopes, those given when none is asked for, and the form of its tokens.
export function resources({ resources: known, access_seconds: seconds }) {
  return (resource) => {
    const found = known[resource] ?? known['*'];
    if (!found || !URL.canParse(resource)) throw new errors.InvalidTarget('there is no such resource');
    return {
      scope: found.scopes.join(' '),
      base: found.base ?? found.scopes,
      audience: resource,
      accessTokenTTL: found.seconds ?? seconds,
      accessTokenFormat: found.opaque ? 'opaque' : 'jwt',
      ...(!found.opaque && { jwt: { sign: { alg: 'RS256' } } }),
    };
  };
}

export function configuration(config, { adapter, server, switches }) {
  const { people, name } = config;
  const claimsOf = (login) => ({ sub: login, ...people[login] });
  return {
    adapter,
    jwks: config.jwks,
    clients: config.clients,
    clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
    conformIdTokenClaims: false,
    // Two providers of one test have one host, and cookies know no ports.
    cookies: {
      keys: [config.cookie_key],
      names: { session: `${name}_session`, interaction: `${name}_interaction`, resume: `${name}_resume` },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, login) => ({ accountId: login, claims: async () => claimsOf(login) }),
    extraTokenClaims: (ctx, token) => ({
      ...(token.accountId && people[token.accountId]),
      ...(ctx?.act && { act: ctx.act }),
    }),
    pkce: { required: () => true },
    // A family for each consent: what is reused in one leaves the others of the same person alone.
    loadExistingGrant: async (ctx) => {
      const id = ctx.oidc.result?.consent?.grantId;
      return id === undefined ? undefined : ctx.oidc.provider.Grant.find(id);
    },
    expiresWithSession: () => false,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: {
      AccessToken: (ctx, token) => token.resourceServer?.accessTokenTTL ?? config.access_seconds,
      ClientCredentials: (ctx, token) => token.resourceServer?.accessTokenTTL ?? config.access_seconds,
      RefreshToken: config.refresh_seconds,
      IdToken: config.access_seconds,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Interaction: 600,
      Session: 86400,
      Grant: 86400,
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: config.registration },
      registrationManagement: { enabled: config.registration },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      deviceFlow: { enabled: true, ...device },
      clientIdMetadataDocument: { enabled: config.metadata_documents, allowFetch: () => true, allowClient: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => server(resource),
      },
    },
    // Documents of clients live at public https addresses, which a gateway under test has in name only.
    fetch: (url, { dispatcher, ...options }) => {
      const elsewhere = reroute(String(url), switches.reroute);
      return elsewhere ? fetch(elsewhere, options) : fetch(url, { dispatcher, ...options });
    },
    discovery: { scopes_supported: config.advertised_scopes },
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.type = 'text';
      ctx.body = `${out.error}: ${out.error_description ?? ''}`;
    },
  };
}

function reroute(url, table) {
  const found = Object.entries(table).find(([origin]) => url.startsWith(`${origin}/`));
  return found && found[1] + url.slice(found[0].length);
}
