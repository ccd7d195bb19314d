import { defineConfig } from '@playwright/test'
import { mockPort } from './e2e/mockPort'

// main.spec.ts starts the program itself on a real broker, and wire.spec.ts over the program's stand-in for one; the others
// run against the mock of dev/mock.mjs, one for each worker. Chromium is the system's: Playwright's own download is not needed.
const workers = 2

export default defineConfig({
  testDir: 'e2e',
  timeout: 90_000,
  expect: { timeout: 15_000 },
  fullyParallel: true,
  workers,
  forbidOnly: !!process.env.CI,
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    { name: 'main', testMatch: ['main.spec.ts', 'wire.spec.ts'] }, // the longest first
    {
      name: 'views',
      testMatch: [
        'list.spec.ts',
        'views.spec.ts',
        'numbers.spec.ts',
        'brokers.spec.ts',
        'long.spec.ts',
        'lost.spec.ts',
        'recover.spec.ts',
        'letter.spec.ts',
        'bodies.spec.ts',
        'operations.spec.ts',
        'rules.spec.ts',
        'alerts.spec.ts',
        'a11y.spec.ts',
      ],
    },
  ],
  webServer: Array.from({ length: workers }, (_, worker) => ({
    command: `node dev/mock.mjs --port ${mockPort(worker)}`,
    url: `http://127.0.0.1:${mockPort(worker)}/api/v1/status`,
    reuseExistingServer: !process.env.CI,
  })),
})
