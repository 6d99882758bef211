// The pages on which a person signs in and consents: plain forms, for browsers and for scripts.
const escape = (text) => String(text).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);

const page = (title, body) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title></head>
<body><main><h1>${escape(title)}</h1>${body}</main></body>
</html>`;

export const signIn = (name, uid) => page(`Sign in at ${name}`, `
<form method="post" action="/interaction/${uid}">
<p><label>Name <input name="login" required autofocus autocomplete="username"></label></p>
<p><button name="answer" value="allow">Sign in</button> <button name="answer" value="deny" formnovalidate>Cancel</button></p>
</form>`);

export const consent = (name, uid, { who, client, scopes }) => page(`Allow ${client}?`, `
<p>${escape(who)}, ${escape(client)} asks ${escape(name)} for:</p>
<ul>${scopes.map((scope) => `<li>${escape(scope)}</li>`).join('')}</ul>
<form method="post" action="/interaction/${uid}">
<p><button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></p>
</form>`);

export const device = {
  async userCodeInputSource(ctx, form) {
    ctx.body = page('Your code', `${form}<p><button form="op.deviceInputForm">Continue</button></p>`);
  },
  async userCodeConfirmSource(ctx, form, client, info, code) {
    ctx.body = page('Is this your code?', `<p>${escape(code)}</p>${form}<p><button form="op.deviceConfirmForm">Yes</button></p>`);
  },
  async successSource(ctx) {
    ctx.body = page('Signed in', '<p>You can go back to your device.</p>');
  },
};

// Answers the requests to /interaction/{uid}.
export function interactions({ name, consent: asks, people }) {
  const granted = async (provider, { prompt: { details }, grantId, session, params }) => {
    const grant = (grantId && (await provider.Grant.find(grantId)))
      || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
    if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
    for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    return grant.save();
  };

  return async (provider, request, response, form) => {
    const found = await provider.interactionDetails(request, response);
    const html = (status, text) => response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(text);
    const finish = (result) => provider.interactionFinished(request, response, result);
    const allow = async () => finish({ consent: { grantId: await granted(provider, found) } });
    if (request.method === 'GET') {
      if (found.prompt.name === 'login') return html(200, signIn(name, found.uid));
      if (asks === 'auto') return allow();
      const client = await provider.Client.find(found.params.client_id);
      const { missingOIDCScope = [], missingResourceScopes = {} } = found.prompt.details;
      return html(200, consent(name, found.uid, {
        who: found.session.accountId,
        client: client.clientName ?? client.clientId,
        scopes: [...missingOIDCScope, ...Object.values(missingResourceScopes).flat()],
      }));
    }
    if (form.get('answer') === 'deny') return finish({ error: 'access_denied', error_description: 'the person said no' });
    if (found.prompt.name === 'consent') return allow();
    const login = form.get('login');
    if (!Object.hasOwn(people, login)) return html(200, signIn(name, found.uid));
    return finish({ login: { accountId: login } });
  };
}
