// An identity provider that nobody here wrote: npm oauth2-mock-server 8.2.3, on a free port of 127.0.0.1, with PKCE and
// nonces as it has them. Whoever comes is signed in at once, with the claims of the last line of JSON on its input.
//
// node oidc_server.mjs CLIENT_ID CLIENT_SECRET prints `URL=…`, the issuer, and `set` after each line.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(process.cwd(), "x.js"));
const entry = require.resolve("oauth2-mock-server");
const { OAuth2Server } = await import(pathToFileURL(entry));

const [id, secret] = process.argv.slice(2);
const basic = `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
await server.start(0, "127.0.0.1");
let claims = {};
server.service.on("beforeTokenSigning", (token) => Object.assign(token.payload, claims));
server.service.on("beforeResponse", (answer, request) => {
  if (request.headers.authorization !== basic) {
    answer.statusCode = 401;
    answer.body = { error: "invalid_client" };
  }
});
console.log(`URL=${server.issuer.url}`);
for await (const line of readline.createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(line);
  if (wanted.newKey) {
    await server.issuer.keys.generate("RS256");
  }
  claims = wanted;
  console.log("set");
}
