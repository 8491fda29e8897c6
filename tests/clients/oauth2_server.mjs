// A token endpoint that nobody here wrote: npm oauth2-mock-server 8.2.3, on a free port of
// 127.0.0.1. No client but a system to speak to, which a test of crate connectors starts.
//
// node oauth2_server.mjs CLIENT_ID CLIENT_SECRET prints `URL=…`. It checks no client itself:
// one that is neither in HTTP Basic nor in the form gets RFC 6749's invalid_client.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(process.cwd(), "x.js"));
const entry = require.resolve("oauth2-mock-server");
const { OAuth2Server } = await import(pathToFileURL(entry));

const [id, secret] = process.argv.slice(2);
const basic = `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
await server.start(0, "127.0.0.1");
server.service.on("beforeResponse", (answer, request) => {
  const body = request.body ?? {};
  const inForm = body.client_id === id && body.client_secret === secret;
  if (request.headers.authorization !== basic && !inForm) {
    answer.statusCode = 401;
    answer.body = { error: "invalid_client", error_description: "no such client" };
  }
});
console.log(`URL=${server.issuer.url.replace("localhost", "127.0.0.1")}`);
