<?php
// `php wire.php <plan.json>`: tells Nextcloud of the programs around it. Runs in its image with its files, again and again: it looks
// first, installs what is missing, and sets what differs. It removes nothing. Secrets come from the environment; they appear in no
// argument and no output.
declare(strict_types=1);

const OCC = '/var/www/html/occ';

$plan = json_decode((string) file_get_contents($argv[1] ?? ''), true, 512, JSON_THROW_ON_ERROR);
$occ = getenv('WIRING_OCC') ?: OCC;
$problems = 0;

function say(string $what, string $result): void {
    echo "$what: $result\n";
}

/** One piece of the wiring; a failure is noted and does not keep the others from being done. */
function step(string $what, callable $action): bool {
    global $problems;
    try {
        say($what, $action());
        return true;
    } catch (Throwable $error) {
        $problems++;
        say($what, 'FAILED: ' . clean($error->getMessage()));
        return false;
    }
}

/** No text of a program may carry a secret to the log. */
function clean(string $text): string {
    global $plan;
    foreach ($plan['settings'] as $setting) {
        $value = isset($setting['secret']) ? (string) getenv($setting['secret']) : '';
        if ($value !== '') {
            $text = str_replace([$value, rawurlencode($value)], '<secret>', $text);
        }
    }
    return trim($text);
}

/** What occ says. Throws when it fails. */
function occ(string ...$arguments): string {
    global $occ;
    $process = proc_open(
        [PHP_BINARY, $occ, '--no-interaction', '--no-ansi', ...$arguments],
        [1 => ['pipe', 'w'], 2 => ['redirect', 1]],
        $pipes,
    );
    if ($process === false) {
        throw new RuntimeException('occ cannot be started');
    }
    $said = (string) stream_get_contents($pipes[1]);
    fclose($pipes[1]);
    $code = proc_close($process);
    if ($code !== 0) {
        throw new RuntimeException("occ {$arguments[0]} ends with $code: $said");
    }
    return $said;
}

function occJson(string ...$arguments): array {
    return json_decode(occ(...[...$arguments, '--output=json']), true, 512, JSON_THROW_ON_ERROR);
}

/** The value to be set, with the secret in its place. */
function wanted(array $setting): string {
    if (!isset($setting['secret'])) {
        return $setting['value'];
    }
    $secret = getenv($setting['secret']);
    if ($secret === false || $secret === '') {
        throw new RuntimeException("the secret in {$setting['secret']} is empty");
    }
    return isset($setting['value']) ? str_replace('{secret}', rawurlencode($secret), $setting['value']) : $secret;
}

/** By Nextcloud's own settings: occ would take a secret as an argument only. */
function settings(): object {
    static $settings = null;
    if ($settings === null) {
        require_once getenv('WIRING_BASE') ?: '/var/www/html/lib/base.php';
        $settings = \OCP\Server::get(\OCP\IAppConfig::class);
    }
    return $settings;
}

/** What Elasticsearch answers of an index; nothing where there is none. */
function ofIndex(array $index, string $what): array {
    $secret = (string) getenv($index['secret']);
    $context = stream_context_create(['http' => [
        'header' => 'Authorization: Basic ' . base64_encode("{$index['user']}:$secret"),
        'ignore_errors' => true,
        'timeout' => 30,
    ]]);
    $text = @file_get_contents("{$index['url']}/{$index['name']}/$what", false, $context);
    if ($text === false) {
        throw new RuntimeException("{$index['url']} does not answer");
    }
    $answer = json_decode($text, true, 512, JSON_THROW_ON_ERROR);
    $status = $answer['status'] ?? 200;
    if ($status !== 200 && $status !== 404) {
        throw new RuntimeException("{$index['url']} refuses ($status)");
    }
    return $status === 404 ? [] : $answer;
}

/** The index itself, not its name: one that is made anew is another. */
function identity(array $index): string {
    return ofIndex($index, '_settings')[$index['name']]['settings']['index']['uuid'] ?? '';
}

/**
 * Fills an index from all files, and notes which one that ended well for: what is in it may be of a fill that was cut short, or
 * the one file that changed since it was lost, and Nextcloud's database knows the others as indexed all the same.
 */
function filled(array $index): string {
    $noted = settings()->getValueString('homelab', "filled {$index['name']}");
    $count = ofIndex($index, '_count')['count'] ?? 0;
    if ($count > 0 && $noted !== '' && $noted === identity($index)) {
        return "unchanged: $count documents; what changes goes in by Nextcloud's own jobs";
    }
    occ(...$index['occ']);
    settings()->setValueString('homelab', "filled {$index['name']}", identity($index));
    return 'made anew';
}

$ready = step('nextcloud', function (): string {
    $status = occJson('status');
    if ($status['installed'] !== true) {
        throw new RuntimeException('it is not installed yet; its own pod does that at its first start');
    }
    if ($status['maintenance'] === true || $status['needsDbUpgrade'] === true) {
        throw new RuntimeException('it is in maintenance, or waits for an upgrade; nothing is set meanwhile');
    }
    return "takes settings ({$status['versionstring']})";
});
if ($ready) {
    $apps = ['enabled' => [], 'disabled' => []];
    step('apps', function () use (&$apps): string {
        $apps = occJson('app:list');
        return count($apps['enabled']) . ' enabled';
    });
    $missing = [];
    foreach ($plan['apps'] as $app) {
        $done = step("app $app", function () use ($app, $apps): string {
            if (isset($apps['enabled'][$app])) {
                return 'unchanged';
            }
            if (isset($apps['disabled'][$app])) {
                throw new RuntimeException("it is switched off, by a person or by an upgrade that it does not suit: occ app:enable $app");
            }
            occ('app:install', $app);
            return 'installed';
        });
        if (!$done) {
            $missing[] = $app;
        }
    }
    $changed = [];
    foreach ($plan['settings'] as $setting) {
        [$app, $key] = [$setting['app'], $setting['key']];
        if (in_array($app, $missing, true)) {
            continue;
        }
        step("$app $key", function () use ($setting, $app, $key, &$changed): string {
            $value = wanted($setting);
            if (settings()->getValueString($app, $key) === $value) {
                return 'unchanged';
            }
            settings()->setValueString($app, $key, $value);
            $changed[$app] = true;
            return 'set';
        });
    }
    foreach ($plan['checks'] as $check) {
        if (!in_array($check['app'], $missing, true)) {
            step(implode(' ', $check['occ']), function () use ($check): string {
                occ(...$check['occ']);
                return 'ok';
            });
        }
    }
    foreach ($plan['indexes'] as $index) {
        if (in_array($index['app'], $missing, true)) {
            continue;
        }
        step("index {$index['name']}", fn (): string => filled($index));
    }
}
if ($problems > 0) {
    echo "$problems of the steps failed; all is tried again at the next run\n";
    exit(1);
}
