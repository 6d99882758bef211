// A client on the official TypeScript SDK, over Streamable HTTP. Prints one JSON line.
//
//   node tests/real/node_client.mjs URL list
//   node tests/real/node_client.mjs URL call NAME [ARGUMENTS]
//   node tests/real/node_client.mjs URL prompts | prompt NAME [ARGUMENTS]
//   node tests/real/node_client.mjs URL resources | templates | read URI
//   node tests/real/node_client.mjs URL info
//
// Exit code: 0 an answer, 1 an error (printed as {"error": {"code", "message", "data"}}), 2 wrong usage.
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { dirname, join } from 'node:path';

// The packages are installed in tests/node, beside this folder.
const require = createRequire(join(dirname(fileURLToPath(import.meta.url)), '..', 'node', 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load('client/index.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');
const { ElicitRequestSchema, LoggingMessageNotificationSchema } = await load('types.js');

const [url, action, name, json] = process.argv.slice(2);

const actions = {
  info: async (client) => ({
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  }),
  list: (client) => every((cursor) => client.listTools({ cursor }), 'tools'),
  prompts: (client) => every((cursor) => client.listPrompts({ cursor }), 'prompts'),
  resources: (client) => every((cursor) => client.listResources({ cursor }), 'resources'),
  templates: (client) => every((cursor) => client.listResourceTemplates({ cursor }), 'resourceTemplates'),
  prompt: (client) => client.getPrompt({ name, arguments: JSON.parse(json ?? '{}') }),
  read: (client) => client.readResource({ uri: name }),
  call: async (client) => {
    const progress = [];
    const logs = [];
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logs.push(params));
    const result = await client.callTool({ name, arguments: JSON.parse(json ?? '{}') }, undefined, {
      onprogress: (step) => void progress.push(step),
    });
    return { ...result, ...(progress.length ? { progress } : {}), ...(logs.length ? { logs } : {}) };
  },
};

async function every(page, key) {
  const found = [];
  let cursor;
  do {
    const answer = await page(cursor);
    found.push(...answer[key]);
    cursor = answer.nextCursor;
  } while (cursor !== undefined);
  return { [key]: found };
}

if (!url || !Object.hasOwn(actions, action ?? '')) {
  console.error(`usage: node_client.mjs URL ${Object.keys(actions).join('|')} [NAME [ARGUMENTS]]`);
  process.exit(2);
}

const client = new Client({ name: 'node-client', version: '1.0.0' }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({
  action: 'accept',
  content: Object.fromEntries(
    Object.entries(params.requestedSchema?.properties ?? {}).map(([key, schema]) => [key, schema.default ?? 'scripted']),
  ),
}));

try {
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  console.log(JSON.stringify(await actions[action](client)));
  await transport.terminateSession();
  await client.close();
} catch (error) {
  console.log(JSON.stringify({ error: { code: error.code, message: error.message, data: error.data } }));
  process.exit(1);
}
