export { type DockerApi, dockerApi } from "./api.ts";
export { type DockerEndpoint, dockerEndpoint } from "./endpoint.ts";
