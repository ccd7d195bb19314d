import { steer } from './mock'
import { axeFindings, expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

const firing = '/alerts?alert=0000000000000001'

test.describe('alerts', () => {
  test('say what fires, since when, why, and who was told', async ({ page }) => {
    await page.goto('/')
    await expect(page.getByRole('link', { name: '2 alerts fire' })).toBeVisible()
    await page.keyboard.press('g')
    await page.keyboard.press('a')
    await expect(page).toHaveURL(/\/alerts$/)
    await expect(page.getByRole('link', { name: /^Alerts/ })).toContainText('2')
    const list = page.getByRole('region', { name: 'Firing' })
    const first = list.getByRole('listitem').first()
    await expect(first).toContainText('pay-service · payments die')
    await expect(first).toContainText('64 Dead letters per minute, over 20 for')
    await expect(first).toContainText('critical')
    await expect(first).toContainText('ops told')
    await expect(first).toContainText('oncall not reached yet, next try in')
    await expect(list.getByRole('listitem').filter({ hasText: 'notify-service' })).toContainText(
      'not told, silenced until',
    )
    await expect(page.getByRole('region', { name: /^Pending/ })).toContainText('if it stays so')
    await expect(page.getByRole('region', { name: 'Over' })).toContainText('broker away')

    await list.getByRole('link', { name: 'pay-service · dead letters pile up' }).click()
    await expect(page).toHaveURL(/alert=0000000000000001/)
    const why = page.getByRole('region', { name: 'Why' })
    await expect(why).toContainText('Open letters for each consumer group: over 100 for 5 m')
    await expect(why.getByRole('link', { name: 'rules.yaml, line 42' })).toHaveAttribute('href', '/rules?line=42')
    await expect(page.getByRole('region', { name: 'Who was told' }).getByRole('row')).toHaveCount(4)
    await expect(page.getByRole('region', { name: 'What happened' }).getByRole('listitem')).toHaveCount(4)
    await page.keyboard.press('Escape')
    await expect(page).toHaveURL(/\/alerts$/)
    await page.goBack()
    await expect(why).toBeVisible()
    await page.getByRole('listitem').filter({ has: why }).getByRole('link', { name: 'Show the letters' }).click()
    await expect(page).toHaveURL(/\/letters\?consumer_group=pay-service/)
  })

  test('that are over can be opened, each firing by its own address', async ({ page }) => {
    await page.goto('/alerts')
    await page
      .getByRole('region', { name: 'Over' })
      .getByRole('link', { name: /unread messages expire soon/ })
      .click()
    await expect(page).toHaveURL(/alert=0000000000000005&since=/)
    const told = page.getByRole('region', { name: 'Who was told' })
    await expect(told.getByRole('listitem')).toContainText('ops told 8 h ago')
    await expect(told.getByRole('row').nth(1)).toContainText('failed')
    await page.goto('/alerts?alert=ffffffffffffffff')
    await expect(page.getByText('neither active nor among the newest')).toBeVisible()
  })

  test('tell a message written from a receiver told', async ({ page }) => {
    await page.goto('/alerts?alert=0000000000000002')
    const happened = page.getByRole('region', { name: 'What happened' }).getByRole('listitem')
    await expect(happened.filter({ hasText: 'ops' })).toContainText('Message to ops sent')
    await expect(happened.filter({ hasText: 'oncall' })).toContainText('Message to oncall trying again')
    await page
      .getByRole('region', { name: 'Over' })
      .getByRole('link', { name: /unread messages expire soon/ })
      .click()
    const told = page.getByRole('region', { name: 'Who was told' })
    await expect(happened.filter({ hasText: 'oncall' })).toContainText('Message to oncall failed')
    await expect(told.getByRole('listitem')).toHaveText(/^ops told/)
  })

  test('name a receiver whose address or secret is missing', async ({ page }) => {
    const receiver = { name: 'ops', type: 'webhook', format: '', locale: 'en', host: '', per_minute: 0, signed: false }
    await steer(page, 'alerts', {
      deliveries: [],
      receivers: [{ ...receiver, disabled: 'x', needs: 'env:DLQ_OPS_SECRET' }],
    })
    await page.goto('/alerts')
    await expect(page.getByRole('region', { name: 'Firing' })).toContainText(
      'not told: its address or secret is not set',
    )
    await page.goto('/alerts/receivers')
    const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'ops', exact: true }) })
    await expect(card.getByRole('button', { name: 'Send a test' })).toHaveAttribute(
      'title',
      'Its address or secret is not set.',
    )
    await expect(card).toContainText('DLQ_OPS_SECRET')
    await expect(card).toContainText('not signed')
  })

  test('say why a rule does not fire', async ({ page }) => {
    await page.goto('/alerts')
    await page.getByRole('navigation', { name: 'Parts of alerts' }).getByRole('link', { name: 'Rules' }).click()
    await expect(page.getByRole('listitem').filter({ hasText: 'disk fills' }).first()).toContainText('off')
    await page.getByRole('link', { name: 'dead letters pile up' }).click()
    await expect(page).toHaveURL(/rule=dead\+?(%20)?letters/)
    const row = (group: string) =>
      page
        .getByRole('listitem')
        .filter({ hasText: `consumer group: ${group}` })
        .last()
    await expect(row('stock-service')).toContainText('does not fire: 43 below the threshold')
    await expect(row('pay-service')).toContainText('fires, true for')
    await page.goto(`/alerts/rules?rule=${encodeURIComponent('replays fail again')}`)
    await expect(row('stock-service')).toContainText('if it stays so')
    await expect(row('pay-service')).toContainText('4%')
    await page.goto('/alerts/rules?rule=disk%20fills')
    await expect(page.getByText('The rule says off: true')).toBeVisible()
    await page.goto(`/alerts/rules?rule=${encodeURIComponent('unread messages expire soon')}`)
    await expect(row('order-ledger')).toContainText('does not fire: 11 h above the threshold')
  })

  test('are silenced for a time with a note, and told of again', async ({ page }) => {
    await page.goto('/alerts')
    const card = page.getByRole('listitem').filter({ hasText: 'pay-service · payments die' }).first()
    await card.getByRole('button', { name: 'Silence…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Silence alerts' })
    await expect(dialog.getByLabel('Value 1')).toHaveValue('payments die / 支付消息进入死信')
    await expect(dialog.getByLabel('Value 2')).toHaveValue('pay-service')
    await expect(dialog.getByLabel('Value 3')).toHaveValue('payment_timeout')
    await expect(dialog.getByRole('status')).toContainText('this is 1:')
    await expect(dialog.getByRole('button', { name: 'Silence', exact: true })).toBeDisabled()
    await dialog.getByRole('button', { name: 'Take condition 1 away' }).click()
    await dialog.getByRole('button', { name: 'Take condition 2 away' }).click()
    await expect(dialog.getByRole('status')).toContainText('these are 2:')
    await dialog.getByLabel('for 4 hours').check()
    await dialog.getByLabel('Note (required)').fill('the bank mends its gateway')
    const asked = page.waitForRequest(r => r.method() === 'POST' && r.url().endsWith('/silences'))
    await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
    expect((await asked).postDataJSON()).toEqual({
      matchers: { consumer_group: ['pay-service'] },
      duration: '4h',
      note: 'the bank mends its gateway',
    })
    await expect(card).toContainText('silenced')
    await expect(page.getByRole('link', { name: /^Alerts/ })).not.toContainText('2')
    await card.getByRole('link', { name: 'Show the silence' }).click()
    const silence = page.getByRole('listitem').filter({ hasText: 'the bank mends its gateway' })
    await expect(silence).toContainText('holds back 2 alerts now')
    await silence.getByRole('button', { name: 'End now' }).click()
    await expect(page.getByRole('region', { name: 'Over' })).toContainText('the bank mends its gateway')
    await expect(page.getByRole('link', { name: /^Alerts/ })).toContainText('2')
  })

  test('are silenced by conditions, until an instant', async ({ page }) => {
    await page.goto('/alerts/silences')
    await page.getByRole('button', { name: 'Silence…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Label 1').selectOption('severity')
    await dialog.getByLabel('Value 1').selectOption('warning')
    await expect(dialog.getByRole('status')).toContainText('these are 3:')
    await dialog.getByRole('button', { name: 'Add a condition' }).click()
    await dialog.getByLabel('Label 2').selectOption('consumer_group')
    await dialog.getByLabel('Value 2').fill('nobody')
    await expect(dialog.getByRole('status')).toContainText('No alert now is like this')
    await dialog.getByLabel('until tomorrow morning').check()
    await dialog.getByLabel('Note (required)').fill('x')
    const asked = page.waitForRequest(r => r.method() === 'POST')
    await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
    const body = (await asked).postDataJSON()
    expect(body.matchers).toEqual({ severity: ['warning'], consumer_group: ['nobody'] })
    const end = await page.evaluate(at => new Date(at).getHours(), body.ends_at)
    expect(end).toBe(9)
    await expect(page.getByRole('listitem').filter({ hasText: 'nobody' })).toContainText('holds back nothing now')
  })

  test('keep every request and answer, and are sent again', async ({ page }) => {
    await page.goto('/alerts/deliveries')
    await expect(page.getByRole('row')).toHaveCount(8)
    await page.getByRole('combobox', { name: 'Receiver' }).selectOption('oncall')
    await expect(page).toHaveURL(/receiver=oncall/)
    await expect(page.getByRole('row')).toHaveCount(4)
    await page.getByRole('combobox', { name: 'State' }).selectOption('failed')
    await expect(page.getByRole('row')).toHaveCount(2)
    await page.getByRole('row').nth(1).getByRole('link').click()
    await expect(page).toHaveURL(/\/alerts\/deliveries\/dlv_/)
    await expect(page.getByRole('heading', { name: '1 over, to oncall' })).toContainText('failed')
    const log = page.getByRole('region', { name: 'Requests and answers' })
    await expect(log).toContainText('HTTP 503')
    await expect(log.getByRole('region', { name: 'Request' })).toContainText('webhook-signature: v1,••••••')
    await expect(log.getByRole('region', { name: 'Answer' })).toContainText('upstream connect error')
    await page.getByRole('button', { name: 'Send again' }).click()
    await expect(page.getByRole('heading', { name: '1 over, to oncall' })).toContainText('sent')
    await expect(log.getByRole('listitem')).toHaveCount(3)
    await expect(log.getByRole('listitem').first()).toContainText('Attempt 41 HTTP 200')
    await expect(log.getByRole('listitem').first()).toContainText('by hand')
    await page.keyboard.press('Escape')
    await expect(page).toHaveURL(/\/alerts\/deliveries$/)
  })

  test('are many, and read page by page', async ({ page }) => {
    for (let i = 0; i < 50; i++) await page.request.post('/api/v1/receivers/ops/test')
    await page.goto('/alerts/deliveries')
    await expect(page.getByRole('row')).toHaveCount(51)
    await page.getByRole('button', { name: 'Show more' }).click()
    await expect(page.getByRole('row')).toHaveCount(58)
    await expect(page.getByRole('button', { name: 'Show more' })).toHaveCount(0)
    await page.request.post('/api/v1/receivers/ops/test')
    await expect(page.getByRole('row')).toHaveCount(59)
  })

  test('reach receivers that a button tries out', async ({ page }) => {
    await page.goto('/alerts/receivers')
    const card = (name: string) =>
      page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) })
    await card('ops').getByRole('button', { name: 'Send a test' }).click()
    await expect(card('ops').getByRole('status')).toContainText('The receiver took it.')
    await expect(card('ops').getByRole('region', { name: 'Request' })).toContainText('alert.test')
    await expect(card('ops').getByRole('region', { name: 'Answer' })).toContainText('"ok": true')
    await steer(page, 'alerts', { down: ['oncall'] })
    await card('oncall').getByRole('button', { name: 'Send a test' }).click()
    await expect(card('oncall').getByRole('status')).toContainText('did not take it')
    await expect(card('oncall').getByRole('status')).toContainText('HTTP 502')
    await expect(card('night shift').getByRole('button', { name: 'Send a test' })).toBeDisabled()
    await expect(card('night shift')).toContainText('set the environment variable DLQ_NIGHT_URL')
    await card('ops').getByRole('link', { name: 'Show the delivery' }).click()
    await expect(page.getByRole('heading', { name: 'Test, to ops' })).toBeVisible()
  })

  test('appear and go by themselves', async ({ page }) => {
    await page.goto('/alerts')
    await expect(page.getByRole('region', { name: 'Firing' }).getByRole('listitem')).toHaveCount(3)
    await steer(page, 'alerts', { items: [] })
    await expect(page.getByRole('heading', { name: 'Nothing fires' })).toBeVisible()
    await expect(page.getByText('Nearest to firing is')).toContainText('dead letters pile up')
    await expect(page.getByRole('link', { name: /^Alerts/ })).toHaveText('Alerts')
  })

  test('teach where nothing is set', async ({ page }) => {
    await steer(page, 'alerts', { items: [], recent: [], rules: [], receivers: [], silences: [], deliveries: [] })
    await page.goto('/alerts')
    await expect(page.getByRole('heading', { name: 'No alert rule is set' })).toBeVisible()
    await expect(page.getByText('signal: open_letters')).toBeVisible()
    await page.goto('/alerts/receivers')
    await expect(page.getByText('env:DLQ_OPS_URL')).toBeVisible()
    await page.goto('/alerts/silences')
    await expect(page.getByRole('heading', { name: 'Nothing is silenced' })).toBeVisible()
    await page.goto('/alerts/deliveries')
    await expect(page.getByRole('heading', { name: 'Nobody was told anything yet' })).toBeVisible()
    await steer(page, 'reset')
    await steer(page, 'alerts', {
      receivers: [
        {
          name: 'ops',
          type: 'webhook',
          format: '',
          locale: 'en',
          host: '',
          per_minute: 0,
          disabled: 'x',
          needs: 'env:DLQ_OPS_URL',
        },
      ],
    })
    await page.goto('/alerts')
    await expect(page.getByRole('note')).toContainText('set the environment variable DLQ_OPS_URL')
  })

  test('are only looked at by those who may not act', async ({ page }) => {
    await steer(page, 'session', { actor: 'vera', role: 'viewer', login: 'done' })
    await page.goto('/alerts')
    for (const b of await page.getByRole('button', { name: 'Silence…' }).all()) await expect(b).toBeDisabled()
    await page.goto('/alerts/receivers')
    for (const b of await page.getByRole('button', { name: 'Send a test' }).all()) await expect(b).toBeDisabled()
    await page.goto('/alerts/deliveries/dlv_MOCK0000000000000000000005')
    await expect(page.getByRole('button', { name: 'Send again' })).toBeDisabled()
    await expect(page.getByText('Your role may only look.')).toBeVisible()
  })

  test('say it when the console does not answer well', async ({ page }) => {
    await steer(page, 'fail', {
      path: 'POST /silences',
      status: 503,
      code: 'unavailable',
      detail: 'the disk is full',
      hint: '',
    })
    await page.goto(firing)
    await page.getByRole('button', { name: 'Silence…' }).nth(1).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Note (required)').fill('x')
    await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
    await expect(dialog.getByRole('alert')).toContainText('the disk is full')
    await page.keyboard.press('Escape')
    await page.goto('/alerts/deliveries/dlv_unknown')
    await expect(page.getByRole('alert')).toContainText('There is no such thing')
  })
  test.use({ allowed: [/503|404/] })

  test('are accessible where they are folded out', async ({ page }) => {
    for (const path of [firing, '/alerts/rules?rule=dead%20letters%20pile%20up', '/alerts/silences?silence=sil_MOCK1'])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.goto(path)
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
        await expect(page.locator('main .wait')).toHaveCount(0)
        expect(await axeFindings(page), `${path} ${colorScheme}`).toEqual([])
      }
    await page.getByRole('button', { name: 'Silence…' }).click()
    await expect(page.getByRole('dialog')).toBeVisible()
    expect(await axeFindings(page)).toEqual([])
    await page.goto('/alerts/receivers')
    await page.getByRole('button', { name: 'Send a test' }).first().click()
    await expect(page.getByText('The receiver took it.')).toBeVisible()
    expect(await axeFindings(page)).toEqual([])
    await steer(page, 'alerts', { items: [] })
    await page.goto('/alerts')
    await expect(page.getByRole('heading', { name: 'Nothing fires' })).toBeVisible()
    expect(await axeFindings(page)).toEqual([])
  })
})
