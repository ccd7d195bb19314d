import { openEasy, pane, rows, steer } from './mock'
import { expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

test.describe('one letter', () => {
  test('is replayed by one click after ten seconds, with its way shown', async ({ page }) => {
    await openEasy(page)
    const asked = page.waitForRequest(r => r.method() === 'POST' && r.url().endsWith('/replay'))
    const from = Date.now()
    await page.getByRole('button', { name: 'Replay to pay-service in 10 s' }).click()
    await expect(page.getByRole('region', { name: 'Replays that can be undone' })).toContainText('delayed by 10 s')
    const body = (await asked).postDataJSON()
    expect(Date.now() - from).toBeGreaterThan(9_000)
    expect(body).toMatchObject({ door: 'B', delay: '10s', version: 3 })
    const way = page.getByRole('region', { name: 'Way of the replay' })
    await expect(way.getByRole('listitem').nth(1)).toContainText('done')
    await expect(way.getByRole('listitem').nth(3)).toContainText('confirmed', { timeout: 20_000 })
    await expect(pane(page)).toContainText('resolved: confirmed')
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(pane(page).getByText('Confirmed', { exact: true })).toBeVisible()
  })

  test('is not replayed when it is undone, wherever one is by then', async ({ page }) => {
    let posts = 0
    page.on('request', r => {
      if (r.method() === 'POST' && r.url().includes('/letters')) posts++
    })
    await openEasy(page)
    await page.keyboard.press('r')
    await page.getByRole('link', { name: 'Rules', exact: true }).click()
    await expect(page.getByRole('heading', { name: 'Rules', exact: true })).toBeVisible()
    await page.getByRole('region', { name: 'Replays that can be undone' }).getByRole('button', { name: 'Undo' }).click()
    await expect(page.getByRole('region', { name: 'Replays that can be undone' }).locator('.toast')).toHaveCount(0)
    await page.clock.install()
    await page.clock.fastForward(20_000)
    expect(posts).toBe(0)
  })

  test('warns before the page is left with a replay not yet sent', async ({ page }) => {
    await openEasy(page)
    await page.keyboard.press('r')
    await expect(page.getByRole('button', { name: 'Undo', exact: true })).toBeVisible()
    const asked = page.waitForEvent('dialog')
    const leaving = page.close({ runBeforeUnload: true })
    const dialog = await asked
    expect(dialog.type()).toBe('beforeunload')
    await dialog.dismiss()
    await leaving
    await page.getByRole('button', { name: 'Undo', exact: true }).click()
  })

  test('opens the options first where a replay would surprise', async ({ page }) => {
    await page.goto('/letters?consumer_group=settlement-grpc')
    await rows(page)
      .first()
      .click({ position: { x: 300, y: 30 } })
    await page.getByRole('button', { name: 'Replay to 2 consumer groups…' }).click()
    const options = page.getByRole('form', { name: 'Replay options' })
    await expect(options).toContainText('Other consumer groups get it too')
    await expect(options.getByRole('radio', { name: /^Only settlement-grpc/ })).toBeDisabled()
    await expect(options.getByRole('radio', { name: /^Everyone who subscribes to payments/ })).toBeChecked()
    await expect(options).toContainText('the broker would say success and nobody would get it')
    await expect(page.locator('.toast')).toHaveCount(0)
  })

  test('lets one choose door, delay and a new key', async ({ page }) => {
    await openEasy(page)
    await page.getByRole('button', { name: 'Replay options' }).click()
    const options = page.getByRole('form', { name: 'Replay options' })
    await expect(options).toContainText('online, 2 clients')
    await options.getByLabel('Delay').selectOption({ label: '1 m (level 5)' })
    await options.getByLabel('As a new message').check()
    await options.getByLabel('Note').fill('gateway is back')
    await options.getByRole('button', { name: 'Replay to pay-service in 1 m' }).click()
    const asked = page.waitForRequest(r => r.method() === 'POST' && r.url().endsWith('/replay'))
    await page.getByRole('button', { name: 'Send now' }).click()
    expect((await asked).postDataJSON()).toEqual({
      version: 3,
      door: 'B',
      delay: '1m',
      as_new: true,
      note: 'gateway is back',
    })
    await expect(page.getByRole('region', { name: 'Way of the replay' })).toContainText('Held at the broker until')
  })

  test('says it beside the letter when somebody else was faster', async ({ page }) => {
    await openEasy(page)
    const id = new URL(page.url()).searchParams.get('letter') ?? ''
    await page.keyboard.press('r')
    await steer(page, 'letter', { id, by: 'li.wei', letter: { owner: 'li.wei' } })
    await page.getByRole('button', { name: 'Send now' }).click()
    await expect(pane(page).getByRole('alert')).toContainText('li.wei was faster: Taken')
    await expect(pane(page).getByRole('alert')).toContainText('Look at it as it is now, then decide again.')
    await expect(pane(page)).toContainText('taken by li.wei')
  })
  test.use({ allowed: [/409/] })

  test('is taken, noted, snoozed, discarded and restored', async ({ page }) => {
    await openEasy(page)
    await page.keyboard.press('t')
    await expect(pane(page).getByRole('button', { name: 'Release' })).toBeVisible()
    await page.keyboard.press('n')
    await page.getByRole('dialog').getByLabel('Note (required)').fill('asked the bank')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(pane(page).getByText('asked the bank')).toBeVisible()
    await page.keyboard.press('d')
    const dialog = page.getByRole('dialog', { name: 'Discard this letter' })
    await expect(dialog.getByLabel('Note (required)')).toBeFocused()
    await expect(dialog.getByRole('button', { name: 'Discard' })).toBeDisabled()
    await dialog.getByLabel('Note (required)').fill('test order')
    await dialog.getByRole('button', { name: 'Discard' }).click()
    await expect(pane(page).getByRole('button', { name: 'Restore' })).toBeVisible()
    await pane(page).getByRole('button', { name: 'Restore' }).click()
    await expect(pane(page).getByRole('button', { name: 'Replay to pay-service in 10 s' })).toBeEnabled()
    await page.keyboard.press('s')
    await page.getByRole('dialog').getByRole('button', { name: 'Snooze', exact: true }).click()
    await expect(pane(page)).toContainText('Snoozed; it comes back in')
  })

  test('shows why, clause by clause, and its body exactly', async ({ page }) => {
    await openEasy(page)
    const verdict = pane(page).getByRole('region', { name: 'Why this route' })
    await expect(verdict.getByRole('listitem').first()).toContainText('passing troubles heal by themselves')
    await expect(verdict).toContainText('reason is one of network_timeout · system_error it has system_error')
    const id = new URL(page.url()).searchParams.get('letter') ?? ''
    await pane(page).getByRole('tab', { name: 'Body' }).click()
    await expect(pane(page).getByText(`90071992547409931${id}`)).toBeVisible()
    await pane(page).getByRole('button', { name: 'Hex' }).click()
    await expect(pane(page).locator('.hex')).toContainText('7b 22 6f 72 64 65 72')
  })

  test('says why nothing can be done while its outcome is open', async ({ page }) => {
    await steer(page, 'letter', { id: '5', letter: { state: 'awaiting' } })
    await page.goto('/letters/5')
    await expect(pane(page).getByText('Not possible while the outcome is pending.')).toBeVisible()
    await page.keyboard.press('.')
    await expect(page.getByRole('menuitem', { name: /^Discard/ })).toContainText('while the outcome is pending')
    await page.keyboard.press('Escape')
    await page.keyboard.press('d')
    await expect(page.getByRole('dialog')).toHaveCount(0)
  })

  test('may only be looked at by a viewer, and says so', async ({ page }) => {
    await steer(page, 'session', { role: 'viewer', actor: 'guest' })
    await page.goto('/letters?letter=5')
    await expect(pane(page)).toContainText('Your role may only look.')
    await page.keyboard.press('d')
    await page.keyboard.press('r')
    await expect(page.getByRole('dialog')).toHaveCount(0)
    await expect(page.locator('.toast')).toHaveCount(0)
    await page.goto('/system')
    await expect(page.getByRole('switch', { name: 'Automation' })).toBeDisabled()
  })
})

test.describe('hostile messages', () => {
  test('run nothing and fool nobody, in any view', async ({ page }) => {
    test.setTimeout(240_000)
    for (const path of ['/', '/letters', '/letters?severity=critical', '/consumer-groups', '/system']) {
      await page.goto(path)
      await expect(page.locator('main .wait')).toHaveCount(0)
    }
    for (let id = 401; id <= 407; id++) {
      await page.goto(`/letters/${id}`)
      for (const tab of ['Why', 'Body', 'Properties', 'Timeline']) {
        await pane(page).getByRole('tab', { name: tab }).click()
        await expect(pane(page).locator('.letter-panel .wait')).toHaveCount(0)
      }
    }
    await page.goto('/letters/401')
    await expect(page.getByRole('heading', { name: '<script>window.hacked=1</script>' })).toBeVisible()
    await page.goto('/letters/402')
    await expect(page.getByRole('heading', { name: /evil/ })).toContainText('U+202E')
    expect(await page.evaluate(() => document.body.innerText.includes('\u202e'))).toBe(false)
    await page.goto('/letters/404')
    await pane(page).getByRole('tab', { name: 'Body' }).click()
    await expect(pane(page)).toContainText('No charset was found in which the body is text: it is shown as hex.')
    await page.goto('/letters/406')
    await expect(pane(page)).toContainText('Nobody who knows has said why it died')
    await expect(pane(page).getByRole('link', { name: 'Runbook' })).toHaveCount(0)
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined()
  })

  test('of a megabyte open within a second or two', async ({ page }) => {
    await page.goto('/letters/403')
    await pane(page).getByRole('tab', { name: 'Body' }).click()
    await expect(pane(page).getByText('12345678901234567890.1234567890')).toBeVisible()
    const from = Date.now()
    await pane(page).getByRole('tab', { name: 'Properties' }).click()
    await expect(pane(page).getByText('HUGE')).toBeVisible()
    await pane(page).getByRole('tab', { name: 'Body' }).click()
    await pane(page).getByRole('button', { name: 'Text' }).click()
    await expect(pane(page).locator('pre.text')).toBeVisible()
    expect(Date.now() - from).toBeLessThan(4_000)
  })
})

test.describe('the other views', () => {
  test('overview says the state in a sentence that opens lists', async ({ page }) => {
    await page.goto('/')
    const sentence = page.locator('.sentence')
    await expect(sentence).toContainText(
      /\d+ letters need attention; the oldest died .* ago; 2 alerts fire; 31 dead messages are not yet read/,
    )
    await sentence.getByRole('link', { name: /need attention/ }).click()
    await expect(page).toHaveURL(/\/letters$/)
    await page.goto('/')
    await page.getByRole('region', { name: 'Open, by reason' }).getByRole('link').first().click()
    await expect(page).toHaveURL(/reason=/)
  })

  test('every bar of the overview opens a list that says its number', async ({ page }) => {
    await page.goto('/')
    const card = page.getByRole('region', { name: 'Deaths read in the last 24 hours' })
    await expect(card.getByRole('heading')).toContainText(/\d+ deaths/)
    await expect(card).toContainText('Deaths, not letters')
    const bars = await card.locator('a').evaluateAll(all =>
      all.map(a => ({
        href: a.getAttribute('href') ?? '',
        deaths: /· ([\d,]+) deaths? · opens the letters of these deaths$/.exec(a.getAttribute('aria-label') ?? '')?.[1],
      })),
    )
    expect(bars).toHaveLength(24)
    const some = bars.filter(b => b.deaths !== '0')
    expect(some.length).toBeGreaterThan(5)
    const whole = some.reduce((n, b) => n + Number(b.deaths?.replaceAll(',', '')), 0)
    await expect(card.getByRole('heading')).toContainText(`${whole} deaths`)
    for (const { href, deaths } of some) {
      await page.goto(href)
      const head = page.locator('table.list thead .c-main')
      await expect(head).toHaveText(new RegExp(`^${deaths} deaths? of [\\d,]+ letters?$`))
      await expect(page.getByRole('tab', { name: /^All/ })).toHaveAttribute('aria-selected', 'true')
      const letters = / of ([\d,]+)/.exec((await head.textContent()) ?? '')?.[1]
      await expect(page.getByRole('tab', { name: /^All/ })).toHaveText(`All ${letters}`)
    }
  })

  test('the bars of the overview are reached by keyboard: one stop, then the arrow keys', async ({ page }) => {
    await page.goto('/')
    const bars = page.getByRole('group', { name: 'Deaths read in the last 24 hours' }).getByRole('link')
    await expect(bars).toHaveCount(24)
    await page.locator('.sentence a').last().focus()
    await page.keyboard.press('Tab')
    await expect(bars.last()).toBeFocused()
    await page.keyboard.press('ArrowLeft')
    await expect(bars.nth(22)).toBeFocused()
    await page.keyboard.press('Home')
    await expect(bars.first()).toBeFocused()
    await page.keyboard.press('ArrowLeft')
    await expect(bars.first()).toBeFocused()
    await page.keyboard.press('Tab')
    expect(await bars.evaluateAll(all => all.includes(document.activeElement as HTMLAnchorElement))).toBe(false)
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/arrived_after=.*arrived_before=/)
  })

  test('system says since when the cluster is reachable', async ({ page }) => {
    await page.goto('/system')
    const cluster = page.getByRole('region', { name: 'Cluster' })
    await expect(cluster).toContainText(/reachable since (\d+ \w+ )?\d\d:\d\d/)
    await expect(cluster).not.toContainText(/reachable.*ago/)
    await steer(page, 'status', { cluster: { reachable: false, error: 'no answer' } })
    await page.reload()
    await expect(cluster).toContainText(/not reachable since/)
  })

  test('rules show the file, its findings and hits', async ({ page }) => {
    await page.goto('/rules')
    await expect(page.getByRole('region', { name: 'Rules in their order' }).getByRole('listitem')).toHaveCount(5)
    await expect(page.getByText('can never be reached')).toBeVisible()
    await expect(page.getByRole('link', { name: /^\d+ deaths in 24 h · \d+ letters$/ }).first()).toBeVisible()
    await page.keyboard.press('F8')
    await expect(page.locator('.cm-activeLine')).toContainText('settle')
    await steer(page, 'status', { rules: { refused: true, errors: 1 } })
    await expect(page.getByText('rules.yaml is refused')).toBeVisible()
    await page.reload()
    await expect(page.getByRole('alert').filter({ hasText: 'The file as it is now is refused' })).toBeVisible()
    await expect(page.getByText('There is no route “retrry”.')).toBeVisible()
  })

  test('a dead-letter topic that cannot be read is repaired with one click', async ({ page }) => {
    await page.goto('/consumer-groups')
    const row = page.getByRole('row').filter({ hasText: 'notify-service' }).first()
    await expect(row).toContainText('cannot be read')
    await page.getByRole('button', { name: 'Make it readable' }).click()
    await expect(row).not.toContainText('cannot be read')
    await expect(page.getByRole('button', { name: 'Make it readable' })).toHaveCount(0)
  })

  test('automation is switched and stopped with a note', async ({ page }) => {
    await page.goto('/system')
    await expect(page.getByText('Automation is off: rules only show what they would do.')).toBeVisible()
    await page.getByRole('switch', { name: 'Automation' }).click()
    const dialog = page.getByRole('dialog', { name: 'Switch automation on' })
    await dialog.getByLabel('Note (required)').fill('rules were reviewed')
    await dialog.getByRole('button', { name: 'Switch on' }).click()
    await expect(page.getByRole('switch', { name: 'Automation' })).toHaveAttribute('aria-checked', 'true')
    await expect(page.getByText('Automation is off: rules only show what they would do.')).toHaveCount(0)
    await page.getByRole('button', { name: 'Stop everything' }).click()
    await page.getByRole('dialog').getByLabel('Note (required)').fill('incident')
    await page.getByRole('dialog').getByRole('button', { name: 'Stop everything' }).click()
    await expect(page.getByText('Everything is stopped', { exact: false })).toBeVisible()
  })

  test('a failing part says so beside itself, and what to do', async ({ page }) => {
    await steer(page, 'fail', {
      path: 'GET /topics',
      status: 503,
      code: 'unavailable',
      detail: 'the broker does not answer',
      hint: 'check its address',
    })
    await page.goto('/system')
    const intake = page.getByRole('region', { name: 'Intake' })
    await expect(intake.getByRole('alert')).toContainText('the broker does not answer')
    await expect(intake.getByRole('alert')).toContainText('check its address')
    await page.getByRole('button', { name: '中文' }).click()
    const chinese = page.getByRole('region', { name: '拉取' }).getByRole('alert')
    await expect(chinese.locator('strong')).toHaveText('暂时不可用')
    await expect(chinese).not.toContainText('the broker does not answer')
    await chinese.getByRole('button', { name: '查看英文原文' }).click()
    await expect(chinese).toContainText('the broker does not answer · check its address')
    await expect(chinese).toContainText('请稍后再试')
    await page.getByRole('button', { name: 'English' }).click()
    await steer(page, 'fail', {})
    await intake.getByRole('button', { name: 'Try again' }).click()
    await expect(intake.getByRole('table')).toBeVisible()
  })
  test.use({ allowed: [/503/] })
})

test.describe('language, theme and log-in', () => {
  test('are remembered', async ({ page }) => {
    await page.goto('/letters')
    await page.getByRole('button', { name: '中文' }).click()
    await expect(page.getByRole('tab', { name: /待处理/ })).toBeVisible()
    await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN')
    await page.getByRole('button', { name: '深色' }).click()
    await page.reload()
    await expect(page.getByRole('tab', { name: /待处理/ })).toBeVisible()
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(15, 17, 20)')
    await page.getByRole('button', { name: '跟随系统' }).click()
    await expect(page.locator('html')).not.toHaveAttribute('data-theme')
  })

  test.use({ allowed: [/401/] })
  test('asks for the token once', async ({ page }) => {
    await steer(page, 'session', { login: 'required', role: '', actor: '' })
    await page.goto('/letters?letter=5')
    await page.getByLabel('Token').fill('dlq_wrong')
    await page.getByRole('button', { name: 'Log in' }).click()
    await expect(page.getByRole('alert')).toContainText('This token is not known here')
    await page.getByLabel('Token').fill('dlq_mock')
    await page.getByRole('button', { name: 'Log in' }).click()
    await expect(pane(page)).toBeVisible()
    await expect(page.getByRole('navigation', { name: 'Main' }).getByText('anna', { exact: true })).toBeVisible()
    await page.getByRole('button', { name: 'Log out' }).click()
    await expect(page.getByLabel('Token')).toBeVisible()
  })
})

test('an admin sees who is logged in and ends a log-in', async ({ page }) => {
  await page.goto('/system')
  const card = page.getByRole('region', { name: 'Access' })
  await expect(card).toHaveCount(0) // no tokens, no log-ins
  await steer(page, 'session', { actor: 'anna', role: 'admin', login: 'done' })
  await page.reload()
  await expect(card.getByRole('row', { name: /wall-screen viewer/ })).toContainText('10.0.0.9')
  await expect(card.getByRole('row', { name: /anna admin this one/ })).toBeVisible()
  await expect(card.getByRole('row', { name: /batch reporter/ })).toContainText('its reports start nothing')
  await card
    .getByRole('row', { name: /wall-screen/ })
    .getByRole('button', { name: 'End' })
    .click()
  await expect(card.getByRole('row', { name: /wall-screen/ })).toHaveCount(0)
})
