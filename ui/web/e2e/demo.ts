import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = new URL('../../../', import.meta.url).pathname

/** What `make run` starts: a real broker, the shop and the console, in a folder of its own. */
export class Demo {
  private constructor(
    readonly console: string,
    readonly shop: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(version: string, env: Record<string, string> = {}): Promise<Demo> {
    return Demo.run('demo/run.sh', [], { DLQ_SHOP_EVERY: '3s', DLQ_DEMO_ROCKETMQ: version, ...env })
  }

  /** The same console over the stand-in that the program brings, for what does not depend on a broker. */
  static async simulated(env: Record<string, string> = {}): Promise<Demo> {
    return Demo.run('bin/dlq', ['demo', '--simulated'], env)
  }

  private static async run(program: string, args: string[], env: Record<string, string>): Promise<Demo> {
    const folder = await mkdtemp(join(tmpdir(), 'dlq-e2e-'))
    const [console, shop] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
    const log = openSync(join(folder, 'log'), 'w')
    await copyFile(join(root, 'rules.yaml'), join(folder, 'rules.yaml')) // tests change them
    const process_ = spawn(join(root, program), args, {
      cwd: root,
      detached: true, // a process group of its own, so that Ctrl-C can be sent to all of it
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        DLQ_LISTEN: console,
        DLQ_SHOP_LISTEN: shop,
        DLQ_DEMO_DIR: folder,
        DLQ_DATA: join(folder, 'dlq.db'),
        DLQ_RULES: join(folder, 'rules.yaml'),
        ...env,
      },
    })
    const demo = new Demo(`http://${console}`, `http://${shop}`, folder, process_)
    try {
      await demo.until('the console is open', 150_000, async () => (await fetch(`${demo.console}/readyz`)).ok)
    } catch (e) {
      await demo.stop()
      throw e
    }
    return demo
  }

  /** Heals or breaks one fault of the shop. */
  async turn(fault: string, act: 'heal' | 'break'): Promise<void> {
    const answer = await fetch(`${this.shop}/faults/${fault}/${act}`, { method: 'POST' })
    if (!answer.ok) throw new Error(`${act} ${fault}: ${answer.status}`)
  }

  /** Changes the rules by the API, as a script would. */
  async rules(note: string, change: (text: string) => string): Promise<void> {
    const now = await fetch(`${this.console}/api/v1/rules`)
    const { text, etag } = (await now.json()) as { text: string; etag: string }
    const changed = change(text)
    if (changed === text) throw new Error(`${note}: nothing to change`)
    const answer = await fetch(`${this.console}/api/v1/rules`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json', 'If-Match': `"${etag}"` },
      body: JSON.stringify({ text: changed, note }),
    })
    if (!answer.ok) throw new Error(`${note}: ${answer.status} ${await answer.text()}`)
  }

  /** Waits until the check holds; a check that throws does not hold yet. */
  async until(what: string, patience: number, check: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + patience
    let last: unknown
    while (Date.now() < deadline) {
      try {
        if (await check()) return
      } catch (e) {
        last = e
      }
      if (this.process.exitCode !== null) break
      await new Promise(r => setTimeout(r, 200))
    }
    throw new Error(`${what}: not so after ${patience} ms (${last})\n${await this.log()}`)
  }

  log(): Promise<string> {
    return readFile(join(this.folder, 'log'), 'utf8')
  }

  /** Ctrl-C, and everything is gone. */
  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.pid) {
      const ended = new Promise(r => this.process.once('exit', r))
      process.kill(-this.process.pid, 'SIGINT')
      await ended
    }
    await rm(this.folder, { recursive: true, force: true })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}
