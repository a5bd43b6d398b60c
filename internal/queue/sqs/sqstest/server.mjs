// Serves fauxqs's SQS on loopback until its standard input closes:
// node server.mjs DIRECTORY, where DIRECTORY holds node_modules/fauxqs.
// Says where on standard output. The package's own command listens on all
// addresses of the machine.
import { pathToFileURL } from "node:url";

const { buildApp } = await import(pathToFileURL(process.argv[2] + "/node_modules/fauxqs/dist/app.js"));
const app = buildApp({ logger: false });
console.log(await app.listen({ host: "127.0.0.1", port: 0 }));
process.stdin.on("end", () => process.exit(0)).resume();
