import { steer } from './mock'
import { expect, test } from './page'

const members = [
  { name: 'broker-a', address: '127.0.0.1:10911', role: 'master' },
  {
    name: 'broker-c',
    address: '127.0.0.9:10911',
    role: 'master',
    away_since: '2026-11-30T09:14:00Z',
    why: 'refused',
    error: 'the broker broker-c does not answer: nobody listens at 127.0.0.9:10911',
  },
  {
    name: 'broker-d',
    address: '127.0.0.1:10931',
    role: 'slave',
    away_since: '2026-11-30T08:00:00Z',
    why: 'no_master',
    error: 'the broker broker-d has no master, only a slave (127.0.0.1:10931)',
  },
  {
    name: 'broker-e',
    address: '127.0.0.1:10941',
    role: 'gone',
    away_since: '2026-11-30T07:00:00Z',
    why: 'unregistered',
    error: 'the name server does not know the broker broker-e any more',
  },
]

test('each broker that is away is named on every page, with since when and why, in both languages', async ({
  page,
}) => {
  await steer(page, 'reset')
  await steer(page, 'status', { cluster: { members } })
  await page.goto('/system')
  const strips = page.locator('.strips')
  await expect(strips).toContainText('Broker broker-c has not answered since')
  await expect(strips).toContainText('Broker broker-d has had no master since')
  await expect(strips).toContainText('Broker broker-e has been gone from the name server since')
  await expect(strips).not.toContainText('broker-a')
  const cluster = page.getByRole('region', { name: 'Cluster' })
  await expect(cluster).toContainText('Nobody listens at this address')
  await expect(cluster).toContainText('broker-a 127.0.0.1:10911')
  await expect(cluster).toContainText('reachable')
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/system-en-light.png`, fullPage: true })
  await page.emulateMedia({ colorScheme: 'dark' })
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/system-en-dark.png`, fullPage: true })
  await page.getByRole('button', { name: '中文' }).click()
  await expect(strips).toContainText('broker broker-c 自')
  await expect(cluster.or(page.getByRole('region', { name: '集群' })).first()).toContainText('该地址无人监听')
  // Nothing of the English sentence that the program gives to scripts.
  await expect(page.locator('main')).not.toContainText('nobody listens')
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/system-zh-dark.png`, fullPage: true })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 390, height: 844 })
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/system-zh-390.png`, fullPage: true })
})
