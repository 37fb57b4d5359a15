# One image for hub and agent: the command chooses.
FROM denoland/deno:2.9.6
WORKDIR /penstock
COPY deno.json deno.lock ./
COPY shared shared
COPY hub hub
COPY agent agent
COPY tools tools
COPY migrations migrations
COPY examples examples
RUN deno install --frozen && deno run -A tools/build/main.ts
RUN mkdir -p /var/lib/penstock && chown deno:deno /var/lib/penstock /penstock
USER deno
VOLUME /var/lib/penstock
ENV MALLOC_ARENA_MAX=2
ENTRYPOINT ["deno", "run", "-A", "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=30", "tools/cli/main.ts"]
CMD ["--help"]
