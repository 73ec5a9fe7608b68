# syntax=docker/dockerfile:1
# A release pins this by digest: --build-arg NODE_IMAGE=node:22-bookworm-slim@sha256:…
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY .ci/build.mjs .ci/build.mjs
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package needs its install script: lmdb brings its binaries.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="switchyard" \
      org.opencontainers.image.description="One stable URL in front of the old and the new Kwil network during a migration" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /src/dist dist
COPY package.json ./
COPY config config
RUN mkdir /data && chown node:node /data
USER node
# One container per data volume: the store knows its readers by process id, which containers do not share.
VOLUME /data
ENV NODE_ENV=production \
    SWITCHYARD_CONFIG=/etc/switchyard/switchyard.yaml \
    SWITCHYARD_DATA_DIR=/data \
    SWITCHYARD_LISTEN=0.0.0.0:8480
# 8480 applications, 8481 relay (needs relay.validators to be reachable from outside), 8482 admin (loopback by default).
EXPOSE 8480 8481 8482
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8482/livez').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
# Not `npm start`: npm keeps signals to itself. --init (or init: true) reaps what hooks leave behind.
CMD ["node", "--enable-source-maps", "dist/main.js", "serve"]
