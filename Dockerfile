# fieldwatch in a container: the daemon alone, against real servers. See docker-compose.yml for the whole.
#
# The embedded database is an optional dependency and not in the image: set FIELDWATCH_DATABASE_URL and FIELDWATCH_MQTT_URL.

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package's own script is run, neither here nor below. Optional ones too: the binary of esbuild is one.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json vite.config.js ./
COPY scripts scripts
COPY src src
COPY sql sql
COPY systemd systemd
RUN npm run build

FROM node:22-bookworm-slim
# As in systemd/fieldwatch.service.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=4
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force
COPY --from=build /app/dist dist
COPY sql sql
COPY config config
COPY LICENSE NOTICE ./
RUN ln -s /app/dist/main.js /usr/local/bin/fieldwatch \
    && install -d -o node -g node -m 750 /var/lib/fieldwatch

# Health and metrics are for other containers too; publish the port on purpose, they ask for no token. The page and the API do:
# FIELDWATCH_HTTP_API=true with FIELDWATCH_HTTP_TOKEN_FILE (docs/api.md).
ENV FIELDWATCH_HTTP_HOST=0.0.0.0 \
    FIELDWATCH_HTTP_API=false \
    FIELDWATCH_STATE_DIR=/var/lib/fieldwatch/state
# All that is written: the root file system may be read-only.
VOLUME /var/lib/fieldwatch
WORKDIR /var/lib/fieldwatch
USER node
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.FIELDWATCH_HTTP_PORT || 9464}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["run"]
