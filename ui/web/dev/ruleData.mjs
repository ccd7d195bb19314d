// MOCK RULES: the file, what was found in it, and how it judges a letter.
export const rulesText = `version: 1

facts:                                   # first source that answers wins
  reason:      [property.FAILURE_REASON, body.failure_reason, report, broker]
  reason_text: [property.FAILURE_DETAIL, body.failure_detail, report]
  business:    [property.BUSINESS_TYPE, body.business_type]

automation:
  max_age: 1h                            # letters that died earlier never act by themselves
  rate: 10/s

rules:                                   # first match wins
  - name: replayed enough
    match: {replays: {gte: 3}}
    route: manual
    manual: {severity: high}
  - name: passing troubles heal by themselves
    match: {reason: [network_timeout, system_error]}
    route: retry
    retry: {delay: 5m, backoff: 2, max: 3, max_delay: 2h}
  - name: broken data needs a person
    match: {reason: [data_format_error, business_validation_error]}
    route: manual
    manual: {severity: high, runbook: "https://wiki.example/dead-letters"}
  - name: money and stock are settled
    match: {any: [{reason: [payment_timeout, inventory_shortage]}, {business: [payment, order]}]}
    route: compensate
    compensate: settle
  - name: everything else
    route: manual
`

export const diagnostics = [
  {
    severity: 'warning',
    code: 'rule-covered',
    line: 29,
    column: 5,
    end_line: 29,
    end_column: 10,
    message: {
      en: 'This rule can never be reached: “money and stock are settled” takes all of it.',
      zh: '此规则永远不会命中：“money and stock are settled”已覆盖其全部情形。',
    },
    rule: 'everything else',
  },
  {
    severity: 'hint',
    code: 'disabled-compensation',
    line: 28,
    column: 17,
    end_line: 28,
    end_column: 23,
    message: {
      en: 'The compensation “settle” has no address (DLQ_SETTLE_URL is not set); its letters go to people.',
      zh: '补偿“settle”没有地址（未设置 DLQ_SETTLE_URL），相关死信将交由人工处理。',
    },
  },
]
export const refusal = at => ({
  at,
  text: rulesText.replace('route: retry', 'route: retrry'),
  diagnostics: [
    {
      severity: 'error',
      code: 'unknown-route',
      line: 20,
      column: 12,
      end_line: 20,
      end_column: 18,
      message: { en: 'There is no route “retrry”.', zh: '没有名为“retrry”的处理方式。' },
      suggestion: 'retry',
      rule: 'passing troubles heal by themselves',
    },
  ],
})

export const explain = l => ({
  verdict: {
    rule: l.rule,
    rule_version: l.rule_version,
    route: l.route,
    severity: l.severity,
    ...(l.route === 'retry' && { retry: { delay: '5m', backoff: 2, max: 3, max_delay: '2h' } }),
    ...(l.route === 'compensate' && { compensation: { name: 'settle' } }),
  },
  rules: [
    {
      rule: 'replayed enough',
      line: 15,
      matched: false,
      clauses: [
        { field: 'replays', op: 'gte', want: ['3'], got: [String(l.replays)], have: true, ok: false, line: 16 },
      ],
    },
    {
      rule: 'passing troubles heal by themselves',
      line: 19,
      matched: l.route === 'retry',
      clauses: [
        {
          field: 'reason',
          op: 'in',
          want: ['network_timeout', 'system_error'],
          got: [l.reason],
          have: true,
          ok: l.route === 'retry',
          line: 20,
        },
      ],
    },
    ...(l.route === 'retry'
      ? []
      : [
          {
            rule: 'broken data needs a person',
            line: 23,
            matched: l.rule.startsWith('broken'),
            clauses: [
              {
                field: 'reason',
                op: 'in',
                want: ['data_format_error', 'business_validation_error'],
                got: [l.reason],
                have: true,
                ok: l.rule.startsWith('broken'),
                line: 24,
              },
            ],
          },
        ]),
    ...(l.route === 'compensate'
      ? [
          {
            rule: 'money and stock are settled',
            line: 27,
            matched: true,
            clauses: [
              { group: 'any', field: '', op: '', want: [], have: false, ok: true, line: 28 },
              {
                field: 'reason',
                op: 'in',
                want: ['payment_timeout', 'inventory_shortage'],
                got: [l.reason],
                have: true,
                ok: true,
                depth: 1,
              },
              {
                field: 'business',
                op: 'in',
                want: ['payment', 'order'],
                got: [l.business],
                have: !!l.business,
                ok: true,
                depth: 1,
              },
            ],
          },
        ]
      : []),
    ...(l.rule === 'everything else' ? [{ rule: 'everything else', line: 31, matched: true, clauses: [] }] : []),
  ],
})
