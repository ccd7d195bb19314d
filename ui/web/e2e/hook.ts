import { createHmac, randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What reached the receiver. */
export interface Call {
  id: string
  type: string
  signed: boolean
  rules: string[]
}

/** A real receiver of alerts on this machine. It checks each signature as the documentation of receivers says. */
export class Hook {
  readonly calls: Call[] = []
  private constructor(
    readonly url: string,
    readonly secret: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Hook> {
    const key = randomBytes(32)
    let hook: Hook | undefined
    const server = createServer(async (req, res) => {
      const chunks: Buffer[] = []
      for await (const c of req) chunks.push(c as Buffer)
      const body = Buffer.concat(chunks).toString()
      const head = (name: string) => String(req.headers[name] ?? '')
      const [id, at] = [head('webhook-id'), head('webhook-timestamp')]
      const want = `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`
      const message = JSON.parse(body) as { type: string; data: { alerts: { rule: string }[] } }
      hook?.calls.push({
        id,
        type: message.type,
        signed: head('webhook-signature').split(' ').includes(want) && Math.abs(Date.now() / 1000 - Number(at)) < 300,
        rules: message.data.alerts.map(a => a.rule),
      })
      res.writeHead(204).end()
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    hook = new Hook(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
      `whsec_${key.toString('base64')}`,
      server,
    )
    return hook
  }

  of(type: string): Call[] {
    return this.calls.filter(c => c.type === type)
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(done => this.server.close(done))
  }
}
