import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";

/**
 * Sends queries and mutations by HTTP and subscriptions by WebSocket
 * (graphql-transport-ws), all to `endpoint`.
 *
 * Who one is comes from the Authorization line of the headers editor. Without
 * one, the access token of the last login or registration in this page is used;
 * it is kept in memory only.
 */
export function createFetcher(endpoint) {
  const socketUrl = new URL(endpoint);
  socketUrl.protocol = endpoint.protocol.replace("http", "ws");
  let session = { authorization: undefined, socket: undefined };
  let lastToken;

  // One socket per identity: it is told once, when the connection begins.
  const socketFor = (authorization) => {
    if (!session.socket || session.authorization !== authorization) {
      session.socket?.dispose();
      const connectionParams = authorization ? { authorization } : {};
      const socket = createClient({ url: socketUrl.href, connectionParams, lazyCloseTimeout: 5_000 });
      session = { authorization, socket };
    }
    return session.socket;
  };

  const remember = async (url, options) => {
    const response = await fetch(url, options);
    const body = await response.clone().json().catch(() => undefined);
    for (const field of Object.values(body?.data ?? {})) {
      if (typeof field?.accessToken === "string") lastToken = field.accessToken;
    }
    return response;
  };

  return (params, options) => {
    const headers = { ...options?.headers };
    const name = Object.keys(headers).find((key) => key.toLowerCase() === "authorization");
    const authorization = (name && headers[name]) || (lastToken && `Bearer ${lastToken}`);
    if (name) delete headers[name];
    if (authorization) headers.authorization = authorization;
    const fetcher = createGraphiQLFetcher({
      url: endpoint.href,
      fetch: remember,
      wsClient: isSubscription(params, options) ? socketFor(authorization) : undefined,
      enableIncrementalDelivery: false,
    });
    return fetcher(params, { ...options, headers });
  };
}

function isSubscription({ operationName }, options) {
  return options?.documentAST?.definitions.some(
    ({ kind, operation, name }) =>
      kind === "OperationDefinition" &&
      operation === "subscription" &&
      (!operationName || name?.value === operationName),
  );
}
