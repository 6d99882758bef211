// The npm packages that are installed in tests/node, for scripts that stand elsewhere.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'node', 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

export const { Provider, errors } = await load('oidc-provider');
export const jose = await load('jose');
