/** The file that `config init` writes; config/switchyard.yaml is this text, and a test keeps it so. */
export const exampleConfig = `# yaml-language-server: $schema=./switchyard.schema.json
#
# Switchyard: one stable URL in front of the old and the new Kwil network during a migration.
# Only networks.old is needed; what is commented out below shows the default.
# Every value can also come from the environment (SWITCHYARD_WRITES__HOLD_MS=5000) or a flag (--set writes.holdMs=5000).
# \`switchyard config check\` finds mistakes, \`switchyard config show\` says where each value came from.

# Applications use this address.
listen: 127.0.0.1:8480

networks:
  old:
    # Checked against every node, always.
    chainId: kwil-old
    nodes:
      - { name: old-1, url: http://127.0.0.1:8484 }
      # A second recorder lets every changeset be compared before it is passed on.
      # - { name: old-2, url: http://127.0.0.1:8485 }
  # May be absent at first and be added while running (SIGHUP, or \`POST /v1/config/reload\`).
  new:
    chainId: kwil-new
    nodes:
      - { name: new-1, url: http://127.0.0.1:8584 }

# The new network's nodes use this address as their migrate_from.
relay:
  listen: 127.0.0.1:8481
  # One secret URL each (\`switchyard relay urls\`). Without a list the relay is open, which is allowed on loopback only.
  # validators: [v1, v2, v3]
  # merge: auto          # auto | off: one answer may carry several old heights
  # ownEnd: auto         # auto | off | a number: announce End lower by so many heights
  # timeline: keep       # keep | a number: present Start and End shifted so that Start is this height
  # repairs: auto        # auto | off | a map of repair names to auto | off

# Admin API, /livez /readyz /startupz /metrics. Plain HTTP: keep it on loopback or behind TLS.
admin:
  listen: 127.0.0.1:8482
  # Made at first start with mode 0600.
  # tokenFile: ./data/admin.token
  # metrics: auto        # auto | open | token: whether /metrics asks for the token; auto: not on loopback

# Journal, ledger and archive. Local disk; one process; not NFS.
dataDir: ./data

# migration: { strategy: zero-downtime }

# Reads before the switch. old: old network only; auto: either, while the new one has everything; share: by percent.
# reads: { policy: auto, share: 0 }

# Writes that wait while the switch is thrown. Clients give up after 10 s.
# Outcomes of writes are kept for keepDays.
# writes: { holdMs: 8000, holdMax: 1000, holdBytesMax: 67108864, unminedMax: 5000, keepDays: 30 }

# How much clients may ask for; a client is an address. 0 is no limit.
# limits: { batchMax: 50, inFlightMax: 4096, requestsPerSecond: 10000, requestsBurst: 20000, challengesPerSecond: 5, challengesBurst: 20 }

# Malformed requests that nodes would suffer from are refused; single rules can be turned down (off, warn, refuse).
# shield: { null-typed-parameter: warn }

# Who may come in at \`listen\`: without lists everybody. Behind a proxy, name it, or all its users are one client.
# http:
#   hosts: [kwil.example]
#   origins: [https://app.example]
#   trustedProxies: [10.0.0.0/8]
#   tls: { cert: /etc/switchyard/cert.pem, key: /etc/switchyard/key.pem }

# Other paths of the nodes (and everything below them), passed on unread, web sockets included.
# opaque:
#   - { path: /auth, network: affine }    # affine | old | new

# When a switch may begin, and how long an attempt may take.
# cutover: { attemptMs: 30000, lagBlocksMax: 5, reserveBlocks: 10, coolDownMs: 5000, endWarningsMs: [86400000, 3600000, 600000] }

# probes: { intervalMs: 100, timeoutMs: 2000 }
# drain: { delayMs: 0, timeoutMs: 10000 }
# log: { level: info, format: auto }
`;
