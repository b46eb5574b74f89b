import { createServer } from "node:http";
import { userInfo } from "node:os";
import { page } from "./page.js";

const server = createServer((request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(page("Served by Node", [`user ${userInfo().uid}`, request.url ?? "/"]));
});
server.listen(3000, () => console.log("listening on port 3000"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
