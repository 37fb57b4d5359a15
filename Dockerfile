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
ENTRYPOINT ["deno", "run", "-A", "tools/cli/main.ts"]
CMD ["--help"]
